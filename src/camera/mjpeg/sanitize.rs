//! Sanitizes webcam JPEGs for libjpeg, so that stray bytes, padding or a missing end marker do not cost frames.
//!
//! Webcams insert stray bytes before the image and its markers, pad the buffer with zeros, ones or remains of earlier
//! frames, and some never send the EOI marker. libjpeg reports only its first warning, so a harmless one would hide
//! missing rows. Harmless defects are therefore removed here, and any remaining libjpeg warning means damage.

use memchr::memchr;

use super::CameraError;

/// Maximum number of SOI markers tried; stray bytes rarely imitate one.
const MAX_STARTS: usize = 8;

/// Maximum number of components.
const MAX_COMPONENTS: usize = 4;

/// Trailing zeros of a scan that may be data; with the standard tables they encode less than a block.
const MAX_ZEROS: usize = 16;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DRI: u8 = 0xdd;
const DHT: u8 = 0xc4;
const JPG: u8 = 0xc8;
const DAC: u8 = 0xcc;
const APP0: u8 = 0xe0;
const APP14: u8 = 0xee;

/// Writes the first complete image in `bytes` to `into`, without stray bytes around markers and with an EOI marker.
///
/// # Errors
/// If there is no image, or scans or restart intervals are missing: [`CameraError::Corrupt`]. Missing rows at the end
/// of a scan without restart markers are left for libjpeg to detect.
pub(super) fn sanitize(bytes: &[u8], into: &mut Vec<u8>) -> Result<(), CameraError> {
    let mut error = CameraError::Corrupt("no JPEG header");
    let mut from = 0;
    for _ in 0..MAX_STARTS {
        let Some(start) = find_start(&bytes[from..]) else { break };
        from += start + 2;
        into.clear();
        into.extend([0xff, SOI]);
        match Parser::new(&bytes[from..], into).image() {
            Ok(()) => return Ok(()),
            Err(Stop::NoImage) => {}
            Err(Stop::Missing(why)) => {
                error = CameraError::Corrupt(why);
                break;
            }
        }
    }
    Err(error)
}

/// Offset of the next SOI marker.
fn find_start(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(0xff, &bytes[from..])?;
        if *bytes.get(at + 1)? == SOI {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Why there is no image.
enum Stop {
    /// Not the start of an image.
    NoImage,
    /// Parts of the image are missing.
    Missing(&'static str),
}

/// Contents of the frame header.
#[derive(Clone, Copy, Default)]
struct Header {
    is_progressive: bool,
    width: usize,
    height: usize,
    components: usize,
    /// Identifier and sampling factors of each component.
    kinds: [(u8, usize, usize); MAX_COMPONENTS],
}

/// Reads an image after its SOI marker, and writes the parts to keep.
struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    into: &'a mut Vec<u8>,
    header: Option<Header>,
    /// MCUs between two restart markers; 0 for none.
    interval: usize,
    /// Missing bits for each component and coefficient; `u8::MAX` before the first scan.
    missing: [[u8; 64]; MAX_COMPONENTS],
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8], into: &'a mut Vec<u8>) -> Self {
        Self { bytes, at: 0, into, header: None, interval: 0, missing: [[u8::MAX; 64]; MAX_COMPONENTS] }
    }

    fn image(mut self) -> Result<(), Stop> {
        let mut has_scan = false;
        let has_end = loop {
            match self.segment() {
                Some(EOI) if has_scan => break true,
                Some(SOS) => {
                    self.scan(!has_scan)?;
                    has_scan = true;
                    // Anything after the only scan of an image is padding.
                    if !self.is_progressive() && self.is_complete() {
                        break true;
                    }
                }
                Some(SOI | EOI) | None if !has_scan => return Err(Stop::NoImage),
                Some(SOI | EOI) | None => break false,
                Some(_) => {}
            }
        };
        if !(has_end && self.is_progressive() || self.is_complete()) {
            return Err(Stop::Missing("missing JPEG scans"));
        }
        self.into.extend([0xff, EOI]);
        Ok(())
    }

    fn is_progressive(&self) -> bool {
        self.header.is_some_and(|header| header.is_progressive)
    }

    /// Whether the scans contain every coefficient of every component.
    fn is_complete(&self) -> bool {
        let components = self.header.map_or(0, |header| header.components);
        components > 0 && self.missing[..components].iter().flatten().all(|bits| *bits == 0)
    }

    /// Advances to the next marker and copies its segment; of EOI, SOI and SOS only the marker is read. `None` if the
    /// bytes end or are invalid.
    fn segment(&mut self) -> Option<u8> {
        let marker = self.marker()?;
        if matches!(marker, SOI | EOI | SOS) {
            return Some(marker);
        }
        if matches!(marker, 0 | 1 | 0xd0..=0xd7) {
            return Some(0); // a marker without a segment, irrelevant here
        }
        let body = self.body()?;
        match marker {
            0xc0..=0xcf if !matches!(marker, DHT | JPG | DAC) => self.header = Some(Header::parse(marker, body)?),
            DRI => self.interval = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?])),
            _ => {}
        }
        if !causes_warning(marker, body) {
            self.write(marker, body);
        }
        Some(marker)
    }

    /// Code of the next marker; skips everything before it.
    fn marker(&mut self) -> Option<u8> {
        self.at += memchr(0xff, self.bytes.get(self.at..)?)?;
        let fill = self.bytes[self.at..].iter().take_while(|byte| **byte == 0xff).count();
        self.at += fill + 1;
        self.bytes.get(self.at - 1).copied()
    }

    /// Content of the segment whose length field is next.
    fn body(&mut self) -> Option<&'a [u8]> {
        let length = self.bytes.get(self.at..self.at + 2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let body = self.bytes.get(self.at + 2..self.at + length.max(2)).filter(|_| length >= 2)?;
        self.at += length;
        Some(body)
    }

    fn write(&mut self, marker: u8, body: &[u8]) {
        self.into.extend([0xff, marker]);
        self.into.extend((body.len() as u16 + 2).to_be_bytes());
        self.into.extend(body);
    }

    /// Copies a scan: header and data.
    fn scan(&mut self, is_first: bool) -> Result<(), Stop> {
        let (Some(header), Some(body)) = (self.header, self.body()) else { return Err(Stop::NoImage) };
        let (&count, rest) = body.split_first().ok_or(Stop::NoImage)?;
        let count = usize::from(count);
        let (names, band) = rest.split_at_checked(2 * count).ok_or(Stop::NoImage)?;
        let band: [u8; 3] = band.get(..3).and_then(|band| band.try_into().ok()).ok_or(Stop::NoImage)?;
        // Many webcams send odd values here, which do not matter in a sequential image.
        let band = if header.is_progressive { band } else { [0, 63, 0] };
        let [first, last, bits] = band;
        for name in names.chunks_exact(2) {
            if let Some(component) = header.find(name[0]) {
                let coefficients = self.missing[component].get_mut(usize::from(first)..=usize::from(last));
                coefficients.into_iter().flatten().for_each(|missing| *missing = bits & 15);
            }
        }
        self.into.extend([0xff, SOS]);
        self.into.extend((names.len() as u16 + 6).to_be_bytes());
        self.into.push(count as u8);
        self.into.extend(names);
        self.into.extend(band);
        let restarts = self.data();
        if is_first && !header.is_progressive && self.is_complete() && restarts < self.expected_restarts(&header) {
            return Err(Stop::Missing("missing JPEG restart intervals"));
        }
        Ok(())
    }

    /// Copies scan data up to the next marker other than a restart, and counts restarts in sequence.
    fn data(&mut self) -> usize {
        let start = self.at;
        let mut restarts = 0;
        while let Some(found) = self.bytes.get(self.at..).and_then(|rest| memchr(0xff, rest)) {
            self.at += found;
            match self.bytes.get(self.at + 1) {
                Some(0) => self.at += 2,
                Some(0xff) => self.at += 1,
                Some(code @ 0xd0..=0xd7) => {
                    restarts += usize::from(usize::from(code - 0xd0) == restarts % 8);
                    self.at += 2;
                }
                Some(_) => {
                    self.into.extend(&self.bytes[start..self.at]);
                    return restarts;
                }
                None => break,
            }
        }
        self.at = self.bytes.len();
        self.into.extend(without_padding(&self.bytes[start..]));
        restarts
    }

    /// Number of restart markers in an image's only scan.
    fn expected_restarts(&self, header: &Header) -> usize {
        if self.interval == 0 { 0 } else { header.units().div_ceil(self.interval).saturating_sub(1) }
    }
}

impl Header {
    fn parse(marker: u8, body: &[u8]) -> Option<Self> {
        let &[_, high, low, wide, narrow, components] = body.first_chunk()?;
        let components = usize::from(components);
        let mut kinds = [(0, 1, 1); MAX_COMPONENTS];
        for (kind, bytes) in kinds.get_mut(..components)?.iter_mut().zip(body[6..].chunks_exact(3)) {
            *kind = (bytes[0], usize::from(bytes[1] >> 4).max(1), usize::from(bytes[1] & 15).max(1));
        }
        Some(Self {
            is_progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
            width: usize::from(u16::from_be_bytes([wide, narrow])),
            height: usize::from(u16::from_be_bytes([high, low])),
            components,
            kinds,
        })
    }

    fn find(&self, name: u8) -> Option<usize> {
        self.kinds[..self.components].iter().position(|(own, ..)| *own == name)
    }

    /// MCUs of a scan of all components.
    fn units(&self) -> usize {
        let kinds = &self.kinds[..self.components];
        let (across, down) = match kinds {
            [_] => (1, 1), // a scan of one component counts blocks, regardless of their sampling
            _ => kinds.iter().fold((1, 1), |(across, down), kind| (across.max(kind.1), down.max(kind.2))),
        };
        self.width.div_ceil(8 * across) * self.height.div_ceil(8 * down)
    }
}

/// Whether libjpeg would warn about an irrelevant segment: an unknown revision of JFIF, or an unknown Adobe colour
/// transform.
fn causes_warning(marker: u8, body: &[u8]) -> bool {
    match marker {
        APP0 => body.starts_with(b"JFIF\0") && body.get(5) != Some(&1),
        APP14 => body.starts_with(b"Adobe") && body.get(11).is_some_and(|transform| *transform > 2),
        _ => false,
    }
}

/// Scan data without an end marker, stripped of the zeros and ones that pad the buffer.
///
/// Zeros may also be data in uniform areas, but many of them would be decoded as blocks where rows are missing.
fn without_padding(data: &[u8]) -> &[u8] {
    let ones = data.iter().rev().take_while(|byte| **byte == 0xff).count();
    let data = &data[..data.len() - ones];
    let zeros = data.iter().rev().take_while(|byte| **byte == 0).count();
    &data[..data.len() - zeros.saturating_sub(MAX_ZEROS)]
}
