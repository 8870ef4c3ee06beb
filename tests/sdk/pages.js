// How a page built with Amazon's SDKs uses the virtual camera: each entry finds a camera by its label, as its SDK does, and
// returns the stream that the SDK uses. scripts/testbed.d/tools/consumer.html counts its frames.
import { LocalStageStream } from 'amazon-ivs-web-broadcast';
import { ConsoleLogger, DefaultDeviceController, LogLevel } from 'amazon-chime-sdk-js';

const named = (devices, label) => devices.find(device => device.label.includes(label));

// Amazon IVS Real-Time: a stage takes a LocalStageStream created from a track.
async function ivs(label) {
  const camera = named(await navigator.mediaDevices.enumerateDevices(), label);
  const media = await navigator.mediaDevices.getUserMedia({
    video: { deviceId: { exact: camera.deviceId }, width: 1280, height: 720, frameRate: 30 },
  });
  const stage = new LocalStageStream(media.getVideoTracks()[0]);
  return { stream: new MediaStream([stage.mediaStreamTrack]), kind: stage.constructor.name, muted: stage.isMuted };
}

// Amazon Chime: the device controller lists the cameras and starts one of them.
async function chime(label) {
  const devices = new DefaultDeviceController(new ConsoleLogger('bgcam', LogLevel.ERROR), { enableWebAudio: false });
  const camera = named(await devices.listVideoInputDevices(), label);
  devices.chooseVideoInputQuality(1280, 720, 30);
  const stream = await devices.startVideoInput(camera.deviceId);
  return { stream, kind: devices.constructor.name };
}

window.openWith = { ivs, chime };
