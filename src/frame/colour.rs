//! Colour matrix and range of a source, and the conversion to native BT.601 limited range.

use multiversion::multiversion;

use super::Frame;

/// Luma weights of red and blue, per standard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
    Smpte240m,
}

impl Matrix {
    /// (Kr, Kb)
    fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Smpte240m => (0.212, 0.087),
        }
    }
}

/// Colour encoding of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colour {
    pub matrix: Matrix,
    /// Full range: black is 0, white is 255, and chroma spans 0 to 255.
    pub full: bool,
}

impl Colour {
    /// Encoding of bgcam's own frames.
    pub(crate) const NATIVE: Self = Self { matrix: Matrix::Bt601, full: false };
    /// Encoding of JPEG files (JFIF).
    pub(crate) const JFIF: Self = Self { matrix: Matrix::Bt601, full: true };
}

/// In-place conversion from a source's encoding to [`Colour::NATIVE`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToNative {
    /// The encoding is native already.
    Same,
    /// Only the range differs.
    Range { luma: Affine, chroma: Affine },
    /// The matrix differs, and possibly the range.
    Matrix(Mix),
}

impl ToNative {
    pub(crate) fn new(from: Colour) -> Self {
        match from {
            Colour::NATIVE => Self::Same,
            Colour::JFIF => Self::Range {
                luma: Affine::new(219.0 / 255.0, 16.0),
                chroma: Affine::new(224.0 / 255.0, 128.0 - 128.0 * 224.0 / 255.0),
            },
            _ => Self::Matrix(Mix::new(from)),
        }
    }

    /// Converts all of `frame`.
    pub(crate) fn apply(&self, frame: &mut Frame) {
        let width = frame.size().width();
        let (y, u, v) = frame.planes_mut();
        match self {
            Self::Same => {}
            Self::Range { luma, chroma } => {
                scale(y, *luma);
                scale(u, *chroma);
                scale(v, *chroma);
            }
            Self::Matrix(mix) => {
                let rows = y.chunks_exact_mut(2 * width);
                let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
                for (luma, (u, v)) in rows.zip(chroma) {
                    let (top, bottom) = luma.split_at_mut(width);
                    mix_rows(top, bottom, u, v, mix);
                }
            }
        }
    }
}

/// `x * factor + offset` in 16 bits: factor in 1/65536, offset in 1/256 including one half for rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    factor: u16,
    offset: u16,
}

impl Affine {
    /// Requires `factor < 1` and `255 * factor + offset < 255`.
    fn new(factor: f64, offset: f64) -> Self {
        Self { factor: (factor * 65536.0).round() as u16, offset: (offset * 256.0).round() as u16 + 128 }
    }
}

#[multiversion(targets = "simd")]
fn scale(plane: &mut [u8], by: Affine) {
    for value in plane {
        // High half of a 16-bit product: a single SIMD instruction.
        let wide = u16::from(*value) << 8;
        let product = ((u32::from(wide) * u32::from(by.factor)) >> 16) as u16;
        *value = ((product + by.offset) >> 8) as u8;
    }
}

/// 3x3 matrix from the source's YCbCr to native, in 1/8192. Source luma does not affect chroma, so two of the nine
/// entries are zero.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mix {
    y_from: [i32; 3],
    u_from: [i32; 2],
    v_from: [i32; 2],
    /// Added to luma: the difference of the black levels, plus one half for rounding.
    y_offset: i32,
}

const SHIFT: i32 = 13;
const HALF: i32 = 1 << (SHIFT - 1);

impl Mix {
    fn new(from: Colour) -> Self {
        let (luma_span, chroma_span, black) = if from.full { (255.0, 255.0, 0.0) } else { (219.0, 224.0, 16.0) };
        // Columns: the effect of one step of Y, Cb and Cr of the source on the native values.
        let [by_y, by_u, by_v] = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)].map(|basis| rematrix(from, basis));
        let fixed = |value: f64| (value * f64::from(1 << SHIFT)).round() as i32;
        let chroma = 224.0 / chroma_span;
        let y_from = [by_y.0 * 219.0 / luma_span, by_u.0 * 219.0 / chroma_span, by_v.0 * 219.0 / chroma_span];
        Self {
            y_from: y_from.map(fixed),
            u_from: [by_u.1 * chroma, by_v.1 * chroma].map(fixed),
            v_from: [by_u.2 * chroma, by_v.2 * chroma].map(fixed),
            y_offset: fixed(16.0 - black * y_from[0]) + HALF,
        }
    }
}

/// Converts analogue (Y, Pb, Pr) of `from` to BT.601.
fn rematrix(from: Colour, (y, pb, pr): (f64, f64, f64)) -> (f64, f64, f64) {
    let (kr, kb) = from.matrix.weights();
    let red = y + 2.0 * (1.0 - kr) * pr;
    let blue = y + 2.0 * (1.0 - kb) * pb;
    let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
    let (kr, kb) = Matrix::Bt601.weights();
    let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
    (luma, (blue - luma) / (2.0 * (1.0 - kb)), (red - luma) / (2.0 * (1.0 - kr)))
}

/// Converts two rows of luma and the row of chroma they share.
#[multiversion(targets = "simd")]
fn mix_rows(top: &mut [u8], bottom: &mut [u8], u: &mut [u8], v: &mut [u8], mix: &Mix) {
    let (top, bottom) = (top.as_chunks_mut::<2>().0, bottom.as_chunks_mut::<2>().0);
    let clamp = |value: i32| value.clamp(0, 255) as u8;
    for (((top, bottom), u), v) in top.iter_mut().zip(bottom).zip(u).zip(v) {
        let (cb, cr) = (i32::from(*u) - 128, i32::from(*v) - 128);
        let add = mix.y_from[1] * cb + mix.y_from[2] * cr + mix.y_offset;
        let luma = |value: u8| clamp((mix.y_from[0] * i32::from(value) + add) >> SHIFT);
        *top = [luma(top[0]), luma(top[1])];
        *bottom = [luma(bottom[0]), luma(bottom[1])];
        *u = clamp(128 + ((mix.u_from[0] * cb + mix.u_from[1] * cr + HALF) >> SHIFT));
        *v = clamp(128 + ((mix.v_from[0] * cb + mix.v_from[1] * cr + HALF) >> SHIFT));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Size;

    /// Converts one 2x2 block of a single colour.
    fn convert(from: Colour, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let mut frame = Frame::new(Size::new(16, 16).unwrap());
        frame.fill(crate::frame::Yuv { y, u, v });
        ToNative::new(from).apply(&mut frame);
        let (ys, us, vs) = frame.planes();
        assert!(ys.iter().all(|other| *other == ys[0]));
        [ys[17], us[3], vs[3]]
    }

    /// Reference conversion through RGB, in floating point.
    fn reference(from: Colour, [y, u, v]: [u8; 3]) -> [f64; 3] {
        let (luma, chroma, black) = if from.full { (255.0, 255.0, 0.0) } else { (219.0, 224.0, 16.0) };
        let analogue =
            ((f64::from(y) - black) / luma, (f64::from(u) - 128.0) / chroma, (f64::from(v) - 128.0) / chroma);
        let (y, pb, pr) = rematrix(from, analogue);
        [16.0 + 219.0 * y, 128.0 + 224.0 * pb, 128.0 + 224.0 * pr].map(|value| value.clamp(0.0, 255.0))
    }

    proptest! {
        #[test]
        fn matches_the_float_reference_within_rounding(pixel: [u8; 3], full: bool, which in 0..4_usize) {
            let matrix = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240m][which];
            let from = Colour { matrix, full };
            for (ours, exact) in convert(from, pixel).into_iter().zip(reference(from, pixel)) {
                prop_assert!((f64::from(ours) - exact).abs() <= 0.55, "{from:?} {pixel:?}: {ours} {exact}");
            }
        }
    }

    #[test]
    fn known_bt709_colours_become_bt601() {
        let limited = Colour { matrix: Matrix::Bt709, full: false };
        let pairs = [
            ([16, 128, 128], [16, 128, 128]), // black
            ([235, 128, 128], [235, 128, 128]),
            ([63, 102, 240], [81, 90, 240]), // red
            ([173, 42, 26], [145, 54, 34]),
            ([32, 240, 118], [41, 240, 110]), // blue
        ];
        for (bt709, bt601) in pairs {
            let ours = convert(limited, bt709);
            // The standard's code values are already rounded.
            assert!(ours.iter().zip(bt601).all(|(ours, bt601)| ours.abs_diff(bt601) <= 1), "{ours:?} {bt601:?}");
        }
        assert_eq!(convert(Colour::JFIF, [0, 128, 128]), [16, 128, 128]);
        assert_eq!(convert(Colour::JFIF, [255, 255, 0]), [235, 240, 16]);
    }
}
