//! Colour conversion of videos: high dynamic range (PQ, HLG) and wide gamuts (BT.2020, Display P3) to sRGB.
//!
//! Uses only filters present in every ffmpeg build: decode to linear light, convert the primaries, roll off
//! highlights and encode for sRGB, with 16 bits per channel in between.

use super::probe::Traits;
use crate::frame::colour::{Colour, Matrix};

/// Transfer characteristics.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Transfer {
    /// sRGB, also used for the similar curves of BT.709 and BT.2020.
    Sdr,
    /// SMPTE ST 2084, up to 10 000 cd/m².
    Pq,
    /// ARIB STD-B67, relative to scene light.
    Hlg,
}

/// Rows of the matrix from linear RGB with wider primaries to sRGB (BT.2087; white is D65 in both).
type Rows = [[f64; 3]; 3];
const FROM_BT2020: Rows =
    [[1.660_491, -0.587_641, -0.072_850], [-0.124_550, 1.132_900, -0.008_349], [-0.018_151, -0.100_579, 1.118_730]];
const FROM_P3: Rows = [[1.224_940, -0.224_940, 0.0], [-0.042_057, 1.042_057, 0.0], [-0.019_638, -0.078_636, 1.098_274]];
const IDENTITY: Rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Tones up to this level (linear light, 1 is white) are kept; brighter ones roll off towards 1.
const KNEE: f64 = 0.75;

/// Conversion applied to the frames of a video.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversion {
    /// ffmpeg filters that produce 8-bit YUV 4:2:0; empty for none.
    pub(crate) filters: String,
    /// Encoding of the frames after these filters and the conversion to limited range.
    pub(crate) colour: Colour,
}

impl Conversion {
    /// The conversion for a video with these traits. Videos without colour metadata are classified by height, as
    /// players do.
    pub(crate) fn of(traits: &Traits) -> Self {
        let (transfer, rows) = (transfer(traits), primaries(traits));
        if transfer != Transfer::Sdr || rows != IDENTITY {
            return Self { filters: to_srgb(traits, transfer, &rows), colour: Colour::NATIVE };
        }
        if !is_yuv(traits) {
            return Self { filters: "scale=out_color_matrix=bt601:out_range=tv".to_owned(), colour: Colour::NATIVE };
        }
        Self { filters: String::new(), colour: Colour { matrix: matrix(traits), full: false } }
    }
}

fn transfer(traits: &Traits) -> Transfer {
    match &*traits.transfer {
        "smpte2084" => Transfer::Pq,
        "arib-std-b67" => Transfer::Hlg,
        _ => Transfer::Sdr,
    }
}

fn primaries(traits: &Traits) -> Rows {
    match (&*traits.primaries, transfer(traits)) {
        ("bt2020", _) => FROM_BT2020,
        ("smpte431" | "smpte432", _) => FROM_P3,
        // In practice, untagged high dynamic range is BT.2020.
        ("" | "unknown", Transfer::Pq | Transfer::Hlg) => FROM_BT2020,
        _ => IDENTITY,
    }
}

fn matrix(traits: &Traits) -> Matrix {
    match &*traits.matrix {
        "bt709" => Matrix::Bt709,
        "bt2020nc" | "bt2020c" => Matrix::Bt2020,
        "smpte240m" => Matrix::Smpte240m,
        "" | "unknown" if traits.height >= 720 => Matrix::Bt709,
        _ => Matrix::Bt601,
    }
}

fn is_yuv(traits: &Traits) -> bool {
    ["yuv", "nv", "p0", "gray", "uyvy"].iter().any(|start| traits.pixels.starts_with(start))
}

fn to_srgb(traits: &Traits, transfer: Transfer, rows: &Rows) -> String {
    let matrix = match (&*traits.matrix, transfer) {
        ("" | "unknown", Transfer::Pq | Transfer::Hlg) => Matrix::Bt2020,
        _ => matrix(traits),
    };
    let matrix = match matrix {
        Matrix::Bt601 => "bt601",
        Matrix::Bt709 => "bt709",
        Matrix::Bt2020 => "bt2020",
        Matrix::Smpte240m => "smpte240m",
    };
    let input = if is_yuv(traits) { format!("in_color_matrix={matrix}:") } else { String::new() };
    let [red, green, blue] = rows.map(|[r, g, b]| format!("{r}:{g}:{b}:0"));
    let (linear, coded) = (channels(&decode(transfer)), channels(&encode(transfer)));
    format!(
        "scale={input}flags=bicubic+accurate_rnd+full_chroma_inp+full_chroma_int,format=gbrp16le,lutrgb={linear},\
         colorchannelmixer={red}:{green}:{blue},lutrgb={coded},scale=out_color_matrix=bt601:out_range=tv,format=yuv420p"
    )
}

fn channels(expression: &str) -> String {
    format!("r='{expression}':g='{expression}':b='{expression}'")
}

/// Level of white on the linear scale: 203 of 1000 cd/m² for PQ (BT.2408), 75 % of the signal for HLG.
fn white(transfer: Transfer) -> f64 {
    match transfer {
        Transfer::Sdr => 1.0,
        Transfer::Pq => 0.203,
        Transfer::Hlg => 0.265,
    }
}

/// ffmpeg expression from an encoded value to linear light, both up to `maxval`.
///
/// HLG stays relative to the scene: for a screen of about 300 cd/m² the system gamma is 1.
fn decode(transfer: Transfer) -> String {
    let value = match transfer {
        Transfer::Sdr => "if(lt(ld(0),0.04045),ld(0)/12.92,pow((ld(0)+0.055)/1.055,2.4))".to_owned(),
        Transfer::Pq => {
            let root = "pow(ld(0),1/78.84375)";
            format!("10*pow(max({root}-0.8359375,0)/(18.8515625-18.6875*{root}),1/0.1593017578125)")
        }
        Transfer::Hlg => {
            "if(lt(ld(0),0.5),ld(0)*ld(0)/3,(exp((ld(0)-0.55991073)/0.17883277)+0.28466892)/12)".to_owned()
        }
    };
    format!("st(0,val/maxval);clip({value},0,1)*maxval")
}

/// The inverse: linear light with highlights rolled off, encoded for sRGB.
fn encode(transfer: Transfer) -> String {
    let rest = 1.0 - KNEE;
    let tone = match transfer {
        Transfer::Sdr => "ld(0)".to_owned(),
        Transfer::Pq | Transfer::Hlg => {
            format!("if(lt(ld(0),{KNEE}),ld(0),{KNEE}+{rest}*(1-exp(({KNEE}-ld(0))/{rest})))")
        }
    };
    format!(
        "st(0,val/maxval/{});st(1,{tone});maxval*clip(if(lt(ld(1),0.0031308),12.92*ld(1),1.055*pow(ld(1),1/2.4)-0.055),0,1)",
        white(transfer)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn videos_without_colour_metadata_are_classified_by_height() {
        let colour = |matrix: &str, pixels: &str, height| {
            let (matrix, pixels) = (matrix.to_owned(), pixels.to_owned());
            Conversion::of(&Traits { matrix, pixels, height, ..Traits::default() }).colour.matrix
        };
        assert_eq!(colour("", "yuv420p", 1080), Matrix::Bt709);
        assert_eq!(colour("unknown", "yuv420p", 480), Matrix::Bt601);
        assert_eq!(colour("", "gbrp", 1080), Matrix::Bt601);
        assert_eq!(colour("bt709", "yuv420p", 480), Matrix::Bt709);
        assert_eq!(Conversion::of(&Traits::default()).colour, Colour::NATIVE);
    }

    #[test]
    fn only_wide_or_bright_colours_are_converted() {
        let filters = |transfer: &str, primaries: &str| {
            let (transfer, primaries, pixels) = (transfer.to_owned(), primaries.to_owned(), "yuv420p".to_owned());
            Conversion::of(&Traits { transfer, primaries, pixels, ..Traits::default() }).filters
        };
        assert_eq!(filters("bt709", "bt709"), "");
        assert_eq!(filters("", ""), "");
        assert_eq!(filters("", "smpte170m"), "");
        assert!(filters("bt2020-10", "bt2020").contains("colorchannelmixer=1.660491"));
        assert!(filters("", "smpte432").contains("colorchannelmixer=1.22494"));
        assert!(filters("smpte2084", "").contains("in_color_matrix=bt2020"));
        assert!(filters("arib-std-b67", "bt2020").contains("0.17883277"));
    }

    #[test]
    fn each_row_preserves_white() {
        for rows in [FROM_BT2020, FROM_P3] {
            for row in rows {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
            }
        }
    }
}
