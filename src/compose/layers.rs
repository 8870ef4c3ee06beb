//! Blends the layers of a frame row by row: the background, and the person over it.

use super::{
    Scene,
    cell_means::CellMeans,
    fringe::{Fringe, Retouch},
    tone::{Meter, Tone},
};
use crate::frame::{blend, blur::Blur};
use crate::{
    background::Background,
    frame::{Frame, Mask, Size, Yuv},
};

/// The minimum blur strength without a mask: the whole frame is shown, so the blur has to hide everything.
const MIN_BLUR_WITHOUT_MASK: u8 = 80;

/// Blends the layers of frames of one size.
#[derive(Debug)]
pub(super) struct Layers {
    size: Size,
    blur: Blur,
    means: CellMeans,
    fringe: Fringe,
    meter: Meter,
    chroma_alpha: Box<[u8]>,
    rows: Rows,
}

/// Row buffers.
#[derive(Debug)]
struct Rows {
    front: Box<[u8]>,
    /// The person and its alpha, mirrored.
    mirrored: [Box<[u8]>; 2],
    back: Box<[u8]>,
    room: Box<[u8]>,
}

/// One plane of the background.
#[derive(Clone, Copy)]
enum BackPlane<'a> {
    Colour(u8),
    Image(&'a [u8]),
    /// The blurred room: 0 = Y, 1 = U, 2 = V.
    Blur(usize),
}

/// The processing of the person's and the background's rows before blending.
#[derive(Clone, Copy)]
struct Finish {
    mirror: bool,
    retouch: Option<Retouch>,
    tone: Option<Tone>,
    /// The opacity of the background over the room, in 1/256.
    opacity: u16,
}

impl Layers {
    pub(super) fn new(size: Size) -> Self {
        let row = || vec![0; size.width()].into_boxed_slice();
        Self {
            size,
            blur: Blur::new(size),
            means: CellMeans::new(size),
            fringe: Fringe::new(size),
            meter: Meter::default(),
            chroma_alpha: vec![0; size.chroma_len()].into_boxed_slice(),
            rows: Rows { front: row(), mirrored: [row(), row()], back: row(), room: row() },
        }
    }

    /// Like [`Compositor::compose`](super::Compositor::compose), for a cropped frame and a reshaped mask.
    pub(super) fn compose(&mut self, frame: &Frame, mask: Option<&Mask>, scene: &Scene, into: &mut Frame) {
        let finish = self.analyse(frame, mask, scene);
        match (&scene.background, mask) {
            (Background::Off, _) => self.plain(frame, finish, into),
            (Background::Colour(colour), None) => into.fill(*colour),
            (Background::Colour(Yuv { y, u, v }), Some(mask)) => {
                let back = [BackPlane::Colour(*y), BackPlane::Colour(*u), BackPlane::Colour(*v)];
                self.over(frame, mask, back, finish, into);
            }
            (Background::Image(image), _) => self.over_image(frame, mask, image, finish, into),
            (Background::Moving(player), _) => self.over_image(frame, mask, &player.frame(), finish, into),
            (Background::Blur { strength }, None) => {
                self.blur.make(frame, None, (*strength).max(MIN_BLUR_WITHOUT_MASK), scene.mirror);
                self.blur.write(into);
            }
            (Background::Blur { strength }, Some(mask)) => {
                self.blur.make(frame, Some(mask), *strength, scene.mirror);
                self.over(frame, mask, [0, 1, 2].map(BackPlane::Blur), finish, into);
            }
        }
    }

    /// Measures what the scene's look requires of the frame.
    fn analyse(&mut self, frame: &Frame, mask: Option<&Mask>, scene: &Scene) -> Finish {
        let look = &scene.look;
        let opacity = (look.background_opacity.clamp(0, 100) * 256 / 100) as u16;
        let mut finish = Finish { mirror: scene.mirror, retouch: None, tone: None, opacity };
        let Some(mask) = mask else { return finish };
        let is_off = matches!(scene.background, Background::Off);
        let retouches = (look.decontaminate > 0 || look.light_wrap > 0) && !is_off;
        if !retouches && look.exposure_match == 0 && look.low_light == 0 {
            return finish;
        }
        self.means.measure(frame, mask);
        let needs_light = look.light_wrap > 0 || look.exposure_match > 0;
        let behind = needs_light && self.means.measure_background(&scene.background, scene.mirror);
        if retouches {
            let wrap = if behind { look.light_wrap } else { 0 };
            let retouch = Retouch { strength: look.decontaminate * 256 / 100, wrap: wrap > 0 };
            if retouch.strength > 0 || retouch.wrap {
                self.fringe.estimate(&self.means, wrap);
                finish.retouch = Some(retouch);
            }
        }
        finish.tone = self.meter.tone(&self.means, behind, look);
        finish
    }

    fn plain(&mut self, frame: &Frame, finish: Finish, into: &mut Frame) {
        for (plane, (from, into, width)) in planes(self.size, frame, into).into_iter().enumerate() {
            for (from, into) in from.chunks_exact(width).zip(into.chunks_exact_mut(width)) {
                if finish.mirror {
                    blend::flip(from, into);
                } else {
                    into.copy_from_slice(from);
                }
                if let Some(tone) = finish.tone {
                    tone.apply(plane, into);
                }
            }
        }
    }

    fn over_image(&mut self, frame: &Frame, mask: Option<&Mask>, image: &Frame, finish: Finish, into: &mut Frame) {
        assert_eq!(image.size(), self.size, "an image of another size");
        let Some(mask) = mask else { return into.data_mut().copy_from_slice(image.data()) };
        let (y, u, v) = image.planes();
        self.over(frame, mask, [BackPlane::Image(y), BackPlane::Image(u), BackPlane::Image(v)], finish, into);
    }

    fn over(&mut self, frame: &Frame, mask: &Mask, back: [BackPlane<'_>; 3], finish: Finish, into: &mut Frame) {
        self.halve(mask);
        let Self { blur, rows, chroma_alpha, fringe, means, .. } = self;
        let alphas = [mask.alpha(), chroma_alpha, chroma_alpha];
        let layers = planes(self.size, frame, into).into_iter().zip(alphas).zip(back).enumerate();
        for (plane, (((camera, into, width), alpha), back)) in layers {
            let lines = into.chunks_exact_mut(width).zip(camera.chunks_exact(width)).zip(alpha.chunks_exact(width));
            for (y, ((into, camera), mut alpha)) in lines.enumerate() {
                let at = (plane, y);
                let mut front = finish.person(at, camera, alpha, (fringe, means), &mut rows.front[..width]);
                if finish.mirror {
                    let [mirrored, mirrored_alpha] = rows.mirrored.each_mut().map(|row| &mut row[..width]);
                    blend::flip(front, mirrored);
                    blend::flip(alpha, mirrored_alpha);
                    front = mirrored;
                    alpha = mirrored_alpha;
                }
                let mut behind = back.row(at, blur, finish.tone, &mut rows.back[..width]);
                if finish.opacity < 256 {
                    behind = finish.blend_room(behind, camera, &mut rows.room[..width]);
                }
                blend::over(front, behind, alpha, into);
            }
        }
    }

    /// Computes the alpha of the chroma samples.
    fn halve(&mut self, mask: &Mask) {
        let width = self.size.width();
        let rows = mask.alpha().chunks_exact(2 * width).zip(self.chroma_alpha.chunks_exact_mut(width / 2));
        for (pair, into) in rows {
            let (above, below) = pair.split_at(width);
            blend::halve(above, below, into);
        }
    }
}

impl<'a> BackPlane<'a> {
    /// A row of the plane, computed into `row` if necessary.
    fn row(self, (plane, y): (usize, usize), blur: &mut Blur, tone: Option<Tone>, row: &'a mut [u8]) -> &'a [u8] {
        match self {
            Self::Image(image) => return &image[y * row.len()..][..row.len()],
            Self::Colour(value) => row.fill(value),
            Self::Blur(of) => {
                blur.row(of, y, row);
                if let Some(tone) = tone {
                    tone.apply(plane, row);
                }
            }
        }
        row
    }
}

impl Finish {
    /// A row of the person: the camera's own, or computed into `row` if it is processed.
    fn person<'a>(
        &self,
        at: (usize, usize),
        camera: &'a [u8],
        alpha: &[u8],
        (fringe, means): (&mut Fringe, &CellMeans),
        row: &'a mut [u8],
    ) -> &'a [u8] {
        let retouch = self.retouch.filter(|retouch| fringe.find(alpha, *retouch));
        if retouch.is_none() && self.tone.is_none() {
            return camera;
        }
        row.copy_from_slice(camera);
        if let Some(retouch) = retouch {
            fringe.row(at, means, alpha, retouch, row);
        }
        if let Some(tone) = self.tone {
            tone.apply(at.0, row);
        }
        row
    }

    /// A row of the background blended with the room.
    fn blend_room<'a>(&self, behind: &[u8], camera: &[u8], row: &'a mut [u8]) -> &'a [u8] {
        row.copy_from_slice(camera);
        if self.mirror {
            row.reverse();
        }
        blend::mix(behind, 256 - self.opacity, row);
        row
    }
}

/// The planes of two frames in pairs, each with its width.
fn planes<'a>(size: Size, from: &'a Frame, into: &'a mut Frame) -> [(&'a [u8], &'a mut [u8], usize); 3] {
    let from = from.planes();
    let into = into.planes_mut();
    let width = size.width();
    [(from.0, into.0, width), (from.1, into.1, width / 2), (from.2, into.2, width / 2)]
}
