//! The layers of a picture, row by row: what stands behind, and the person over it.

use super::{
    Scene,
    fringe::{Fringe, Touch},
    survey::Survey,
    tone::{Meter, Tone},
};
use crate::frame::{blend, blur::Blur};
use crate::{
    background::Background,
    frame::{Frame, Mask, Size, Yuv},
};

/// The least strength of blur when nobody knows where the person is: the whole picture is shown, so it has to hide all.
const BLIND_BLUR: u8 = 80;

/// Joins the layers of frames of one size.
#[derive(Debug)]
pub(super) struct Layers {
    size: Size,
    blur: Blur,
    survey: Survey,
    fringe: Fringe,
    meter: Meter,
    chroma_alpha: Box<[u8]>,
    rows: Rows,
}

/// Rows in the making.
#[derive(Debug)]
struct Rows {
    front: Box<[u8]>,
    /// The same and its alpha, mirrored.
    turned: [Box<[u8]>; 2],
    back: Box<[u8]>,
    room: Box<[u8]>,
}

/// One plane of what stands behind the person.
#[derive(Clone, Copy)]
enum Back<'a> {
    Color(u8),
    Picture(&'a [u8]),
    /// Of the blurred room: 0 = Y, 1 = U, 2 = V.
    Blur(usize),
}

/// What is done to the person's rows before they are blended, and to the background's.
#[derive(Clone, Copy)]
struct Finish {
    mirror: bool,
    touch: Option<Touch>,
    tone: Option<Tone>,
    /// How much of the background covers the room, in 256ths.
    opacity: u16,
}

impl Layers {
    pub(super) fn new(size: Size) -> Self {
        let row = || vec![0; size.width()].into_boxed_slice();
        Self {
            size,
            blur: Blur::new(size),
            survey: Survey::new(size),
            fringe: Fringe::new(size),
            meter: Meter::default(),
            chroma_alpha: vec![0; size.chroma_len()].into_boxed_slice(),
            rows: Rows { front: row(), turned: [row(), row()], back: row(), room: row() },
        }
    }

    /// As [`Compositor::compose`](super::Compositor::compose), of frames that are framed and masks that are shaped.
    pub(super) fn compose(&mut self, frame: &Frame, mask: Option<&Mask>, scene: &Scene, into: &mut Frame) {
        let finish = self.look(frame, mask, scene);
        match (&scene.background, mask) {
            (Background::Off, _) => self.plain(frame, finish, into),
            (Background::Color(colour), None) => into.fill(*colour),
            (Background::Color(Yuv { y, u, v }), Some(mask)) => {
                let back = [Back::Color(*y), Back::Color(*u), Back::Color(*v)];
                self.over(frame, mask, back, finish, into);
            }
            (Background::Picture(picture), _) => self.pictured(frame, mask, picture, finish, into),
            (Background::Moving(player), _) => self.pictured(frame, mask, &player.picture(), finish, into),
            (Background::Blur { strength }, None) => {
                self.blur.make(frame, None, (*strength).max(BLIND_BLUR), scene.mirror);
                self.blur.write(into);
            }
            (Background::Blur { strength }, Some(mask)) => {
                self.blur.make(frame, Some(mask), *strength, scene.mirror);
                self.over(frame, mask, [0, 1, 2].map(Back::Blur), finish, into);
            }
        }
    }

    /// Looks at the frame for whatever the scene's look needs to know of it.
    fn look(&mut self, frame: &Frame, mask: Option<&Mask>, scene: &Scene) -> Finish {
        let look = &scene.look;
        let opacity = (look.background_opacity.clamp(0, 100) * 256 / 100) as u16;
        let mut finish = Finish { mirror: scene.mirror, touch: None, tone: None, opacity };
        let Some(mask) = mask else { return finish };
        let is_off = matches!(scene.background, Background::Off);
        let touches = (look.decontaminate > 0 || look.light_wrap > 0) && !is_off;
        if !touches && look.exposure_match == 0 && look.low_light == 0 {
            return finish;
        }
        self.survey.look(frame, mask);
        let wants_light = look.light_wrap > 0 || look.exposure_match > 0;
        let behind = wants_light && self.survey.look_behind(&scene.background, scene.mirror);
        if touches {
            let wrap = if behind { look.light_wrap } else { 0 };
            let touch = Touch { strength: look.decontaminate * 256 / 100, wrap: wrap > 0 };
            if touch.strength > 0 || touch.wrap {
                self.fringe.look(&self.survey, wrap);
                finish.touch = Some(touch);
            }
        }
        finish.tone = self.meter.tone(&self.survey, behind, look);
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

    fn pictured(&mut self, frame: &Frame, mask: Option<&Mask>, picture: &Frame, finish: Finish, into: &mut Frame) {
        assert_eq!(picture.size(), self.size, "a picture of another size");
        let Some(mask) = mask else { return into.data_mut().copy_from_slice(picture.data()) };
        let (y, u, v) = picture.planes();
        self.over(frame, mask, [Back::Picture(y), Back::Picture(u), Back::Picture(v)], finish, into);
    }

    fn over(&mut self, frame: &Frame, mask: &Mask, back: [Back<'_>; 3], finish: Finish, into: &mut Frame) {
        self.halve(mask);
        let Self { blur, rows, chroma_alpha, fringe, survey, .. } = self;
        let alphas = [mask.alpha(), chroma_alpha, chroma_alpha];
        let layers = planes(self.size, frame, into).into_iter().zip(alphas).zip(back).enumerate();
        for (plane, (((camera, into, width), alpha), back)) in layers {
            let lines = into.chunks_exact_mut(width).zip(camera.chunks_exact(width)).zip(alpha.chunks_exact(width));
            for (y, ((into, camera), mut alpha)) in lines.enumerate() {
                let at = (plane, y);
                let mut front = finish.person(at, camera, alpha, (fringe, survey), &mut rows.front[..width]);
                if finish.mirror {
                    let [turned, turned_alpha] = rows.turned.each_mut().map(|row| &mut row[..width]);
                    blend::flip(front, turned);
                    blend::flip(alpha, turned_alpha);
                    (front, alpha) = (turned, turned_alpha);
                }
                let mut behind = back.row(at, blur, finish.tone, &mut rows.back[..width]);
                if finish.opacity < 256 {
                    behind = finish.thin(behind, camera, &mut rows.room[..width]);
                }
                blend::over(front, behind, alpha, into);
            }
        }
    }

    /// Finds the alpha of the chroma samples.
    fn halve(&mut self, mask: &Mask) {
        let width = self.size.width();
        let rows = mask.alpha().chunks_exact(2 * width).zip(self.chroma_alpha.chunks_exact_mut(width / 2));
        for (pair, into) in rows {
            let (above, below) = pair.split_at(width);
            blend::halve(above, below, into);
        }
    }
}

impl<'a> Back<'a> {
    /// A row of the plane; made in `row` where it is not there yet.
    fn row(self, (plane, y): (usize, usize), blur: &mut Blur, tone: Option<Tone>, row: &'a mut [u8]) -> &'a [u8] {
        match self {
            Self::Picture(picture) => return &picture[y * row.len()..][..row.len()],
            Self::Color(value) => row.fill(value),
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
    /// A row of the person: the camera's own, or made in `row` where anything is done to it.
    fn person<'a>(
        &self,
        at: (usize, usize),
        camera: &'a [u8],
        alpha: &[u8],
        (fringe, survey): (&mut Fringe, &Survey),
        row: &'a mut [u8],
    ) -> &'a [u8] {
        let touch = self.touch.filter(|touch| fringe.find(alpha, *touch));
        if touch.is_none() && self.tone.is_none() {
            return camera;
        }
        row.copy_from_slice(camera);
        if let Some(touch) = touch {
            fringe.row(at, survey, alpha, touch, row);
        }
        if let Some(tone) = self.tone {
            tone.apply(at.0, row);
        }
        row
    }

    /// A row of the background with the room shining through.
    fn thin<'a>(&self, behind: &[u8], camera: &[u8], row: &'a mut [u8]) -> &'a [u8] {
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
    let (from, into) = (from.planes(), into.planes_mut());
    let width = size.width();
    [(from.0, into.0, width), (from.1, into.1, width / 2), (from.2, into.2, width / 2)]
}
