//! Video and audio (spec 13).

use super::{BOOLEAN, Definition, Kind, Parameter, TEXT, integer, number, parameter, pixels, task};

const PRESETS: &[&str] = &[
    "h264",
    "h264.hi",
    "webm",
    "webm.hi",
    "ogg",
    "ogg.hi",
    "hls.variant",
    "hls.variant.audio",
    "hls.variant.playlist",
    "mp3",
    "m4a",
    "aac",
    "oga",
    "thumbnail",
    "hls",
    "dash",
];
const AUDIO_CODECS: &[&str] = &["libmp3lame", "libvorbis", "libfdk_aac", "dib_ac3", "pcm_s16le", "mp2", "ac3", "eac3"];
/// Distance of a watermark from an edge, or a side of it.
const MARGIN: Kind = pixels(0, 9999);

const PARAMETERS: &[Parameter] = &[
    parameter("preset", Kind::Word(PRESETS)).also(&["p"]).or("h264"),
    parameter("force", BOOLEAN).or("false"),
    parameter("width", pixels(1, 4096)),
    parameter("height", pixels(1, 4096)),
    parameter("title", TEXT),
    parameter("extname", TEXT),
    parameter("filename", TEXT),
    parameter("location", TEXT),
    parameter("path", TEXT),
    parameter("container", TEXT),
    parameter("region", TEXT),
    parameter("access", Kind::Word(&["public", "private"])),
    parameter("upscale", BOOLEAN).or("true"),
    parameter("aspect_mode", Kind::Word(&["letterbox", "pad", "crop", "preserve", "constrain"])).or("letterbox"),
    parameter("two_pass", BOOLEAN).or("false"),
    parameter("video_bitrate", integer(1, 5000)),
    parameter("fps", number(1.0, 300.0)),
    parameter("keyframe_interval", integer(1, 250)).or("250"),
    parameter("audio_bitrate", integer(0, 999)),
    parameter("audio_codec", Kind::Word(AUDIO_CODECS)),
    parameter("audio_sample_rate", integer(1, 99_999)).also(&["audio_samplerate"]).or("44100"),
    parameter("audio_channels", integer(1, 12)),
    parameter("clip_length", Kind::Clock),
    parameter("clip_offset", Kind::Clock),
    parameter("watermark_url", TEXT),
    parameter("watermark_top", MARGIN),
    parameter("watermark_right", MARGIN),
    parameter("watermark_bottom", MARGIN),
    parameter("watermark_left", MARGIN),
    parameter("watermark_width", MARGIN),
    parameter("watermark_height", MARGIN),
    parameter("frame_count", integer(1, 1)).or("1"),
    parameter("thumbnail_offset", number(0.0, 86_400.0)).or("0"),
    // The id of a job, in place of a source.
    parameter("uuid", TEXT),
];
const IGNORED: &[&str] = &["email", "upload_storage", "upload_path"];

pub(super) const TASKS: &[Definition] =
    &[task("video_convert", PARAMETERS).ignoring(IGNORED), task("video_playlist", PARAMETERS).ignoring(IGNORED)];
