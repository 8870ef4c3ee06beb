//! Filler words: they are neither painted nor reported as left out.

/// Whether `word`, in lower case, is filler: articles, polite phrases, praise, and words about images and calls.
pub(super) fn is_filler(word: &str) -> bool {
    let listed = |word: &str| FILLER.split_ascii_whitespace().any(|known| known == word);
    listed(word) || word.strip_suffix('s').is_some_and(listed) || is_resolution(word)
}

/// Whether `word` may connect the parts of a name, as in "Statue of Liberty".
pub(super) fn joins_names(word: &str) -> bool {
    matches!(word, "of" | "the" | "de" | "du" | "la" | "del" | "von")
}

/// Whether `word`, in lower case, is often excluded but never painted anyway.
pub(super) fn is_never_painted(word: &str) -> bool {
    let listed = |word: &str| NEVER_PAINTED.split_ascii_whitespace().any(|known| known == word);
    listed(word) || word.strip_suffix('s').is_some_and(listed)
}

/// "4k", "1080p", "16:9" and the like.
fn is_resolution(word: &str) -> bool {
    let digits = word.trim_end_matches(['k', 'p', 'x', 'd', 'm']);
    !digits.is_empty()
        && !word.starts_with('#')
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, 'x' | '.' | ','))
}

const FILLER: &str = "
a an the this that these those some any every each another other of with and in at on to for from by as or but into onto
over under above below behind near next beside beneath between among around along through across during inside outside
within upon against towards toward off out up down is are was be been being am it its there here where which who what
when while then than so very really quite rather too more most much many few lot bit little just only even also still
i me my mine we us our you your he she they them his her their want wants wanted would like likes love need needs please thank
make made making give gives show shows showing shown see seen seeing look looks looking let put set use using used have
has had having get can could should will do does did go going create creating generate generating generated paint painted
painting draw drawn drawing add adding include including included featuring feature containing contain full filled set
photo photograph photographic photography photorealistic pic picture image img wallpaper background backgrounds
backdrop scene scenery setting view shot panorama panoramic render artwork art style styled stylish themed theme
look vibe vibes mood feel feeling atmosphere ambience ambiance effect design composition perspective angle
virtual video call conference meeting zoom teams webcam camera stream streaming interview work
beautiful pretty nice lovely gorgeous amazing awesome great good best perfect wonderful stunning breathtaking
spectacular magnificent majestic scenic picturesque elegant fine cool-looking attractive charming delightful pleasant
peaceful quiet serene tranquil relaxing relaxed soothing simple clean neutral natural realistic real true typical classic
modern contemporary detailed highly high low quality resolution hd uhd fullhd sharp crisp hdr ultra super extremely
hyper masterpiece blurred blurry blur background distance far away foreground wide close big large small huge tall
long old new empty lonely open one two three several various different same something anything thing kind sort type
der die das den dem des ein eine einen einem einer und oder mit im am an auf bei zu von vor hinter für aus bitte schöner
schöne schönes bild foto hintergrund le la les l un une des du de d et ou avec au aux sur dans pour en image photo fond belle
beau el los las una unos y o con para por del al imagen foto fondo il lo gli uno e da di
";

const NEVER_PAINTED: &str = "
people person human humans face hand man men woman women child children kid crowd tourist animal bird dog cat insect car
vehicle traffic boat ship plane text letter word writing watermark logo caption signature brand number border frame
collage chair table clutter mess noise grain
";
