# Nix: `nix profile install '.?dir=config/nix'` in a checkout installs bgcam; nixosModules.default also creates the virtual camera.
{
  description = "A virtual camera that hides or replaces your room in every video app";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      source = ../..;
      cargo = builtins.fromTOML (builtins.readFile (source + "/Cargo.toml"));
      forAllSystems = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ];
    in
    {
      packages = forAllSystems (system:
        let pkgs = nixpkgs.legacyPackages.${system}; in
        {
          default = pkgs.rustPlatform.buildRustPackage {
            pname = cargo.package.name;
            version = cargo.package.version;
            src = source;
            cargoLock.lockFile = source + "/Cargo.lock";

            nativeBuildInputs = [ pkgs.cmake pkgs.makeWrapper pkgs.nasm pkgs.rustPlatform.bindgenHook ];
            dontUseCmakeConfigure = true; # cmake is for libjpeg-turbo only
            doCheck = false; # scripts/test needs a desktop and cameras

            postPatch = "patchShebangs scripts";
            # buildRustPackage has installed the program; the folders of the other files are /usr and /etc elsewhere
            postInstall = ''
              scripts/stage --root root $out/bin/bgcam
              rm -r $out/bin/stage root/usr/bin
              cp -r root/usr/. root/etc $out
              substituteInPlace $out/lib/systemd/user/bgcam*.service --replace-fail /usr/bin/bgcam $out/bin/bgcam
              install -d $out/lib/bgcam
              ln -s ${pkgs.onnxruntime}/lib/libonnxruntime.so $out/lib/bgcam/
            '';
            # libpipewire is loaded at run time
            postFixup = ''
              patchelf --add-rpath ${pkgs.lib.makeLibraryPath [ pkgs.pipewire ]} $out/bin/bgcam
              wrapProgram $out/bin/bgcam --suffix PATH : ${pkgs.lib.makeBinPath [ pkgs.ffmpeg pkgs.xdg-utils ]}
            '';

            meta = {
              description = cargo.package.description;
              homepage = cargo.package.repository;
              license = with pkgs.lib.licenses; [ mit asl20 ];
              mainProgram = "bgcam";
              platforms = [ "x86_64-linux" "aarch64-linux" ];
            };
          };
        });

      nixosModules.default = { config, pkgs, ... }:
        let bgcam = self.packages.${pkgs.stdenv.hostPlatform.system}.default; in
        {
          environment.systemPackages = [ bgcam ];
          systemd.packages = [ bgcam ];
          boot.extraModulePackages = [ config.boot.kernelPackages.v4l2loopback ];
          boot.kernelModules = [ "v4l2loopback" ];
          boot.extraModprobeConfig = builtins.readFile (source + "/systemd/modprobe.d/bgcam.conf");
        };
    };
}
