//! The functions of libheif that are used, found at run time: its LGPL and the patents on HEVC stay outside of this program.

use std::{
    ffi::{c_char, c_int, c_void},
    sync::OnceLock,
};

/// What every function answers with.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Status {
    pub(super) code: c_int,
    pub(super) detail: c_int,
    pub(super) message: *const c_char,
}

/// `heif_suberror_Security_limit_exceeded`.
pub(super) const SECURITY_LIMIT: c_int = 1000;
/// `heif_colorspace_RGB`.
pub(super) const COLOUR_SPACE_RGB: c_int = 1;
/// `heif_chroma_interleaved_RGB`.
pub(super) const INTERLEAVED_RGB: c_int = 10;
/// `heif_chroma_interleaved_RGBA`.
pub(super) const INTERLEAVED_RGBA: c_int = 11;
/// `heif_channel_interleaved`.
pub(super) const CHANNEL_INTERLEAVED: c_int = 10;
/// `heif_compression_HEVC`.
const COMPRESSION_HEVC: c_int = 1;

/// Declares the table of functions and how it is filled.
macro_rules! functions {
    ($($field:ident = $name:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// Functions by what they do; all of them are in libheif 1.11 and later. Contexts, handles and images are opaque pointers.
        pub(super) struct Library {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            /// Keeps the functions in memory.
            _library: libloading::Library,
        }

        impl Library {
            fn load(name: &str) -> Option<Self> {
                // SAFETY: libheif does nothing when it is loaded but initialise itself, and the types are those of its public header.
                unsafe {
                    let library = libloading::Library::new(name).ok()?;
                    // Since 1.13. Loads codecs that are files of their own, which may be forbidden later.
                    if let Ok(initialise) = library.get::<unsafe extern "C" fn(*const c_void) -> Status>(c"heif_init") {
                        initialise(std::ptr::null());
                    }
                    Some(Self { $($field: *library.get($name).ok()?,)* _library: library })
                }
            }
        }
    };
}

functions! {
    new_context = c"heif_context_alloc": fn() -> *mut c_void;
    free_context = c"heif_context_free": fn(*mut c_void);
    limit_sides = c"heif_context_set_maximum_image_size_limit": fn(*mut c_void, c_int);
    read = c"heif_context_read_from_memory_without_copy": fn(*mut c_void, *const c_void, usize, *const c_void) -> Status;
    primary = c"heif_context_get_primary_image_handle": fn(*mut c_void, *mut *mut c_void) -> Status;
    release_handle = c"heif_image_handle_release": fn(*const c_void);
    width = c"heif_image_handle_get_width": fn(*const c_void) -> c_int;
    height = c"heif_image_handle_get_height": fn(*const c_void) -> c_int;
    has_alpha = c"heif_image_handle_has_alpha_channel": fn(*const c_void) -> c_int;
    profile_size = c"heif_image_handle_get_raw_color_profile_size": fn(*const c_void) -> usize;
    profile = c"heif_image_handle_get_raw_color_profile": fn(*const c_void, *mut c_void) -> Status;
    blocks = c"heif_image_handle_get_list_of_metadata_block_IDs": fn(*const c_void, *const c_char, *mut u32, c_int) -> c_int;
    block_size = c"heif_image_handle_get_metadata_size": fn(*const c_void, u32) -> usize;
    block = c"heif_image_handle_get_metadata": fn(*const c_void, u32, *mut c_void) -> Status;
    block_type = c"heif_image_handle_get_metadata_content_type": fn(*const c_void, u32) -> *const c_char;
    decode = c"heif_decode_image": fn(*const c_void, *mut *mut c_void, c_int, c_int, *const c_void) -> Status;
    release_image = c"heif_image_release": fn(*const c_void);
    image_width = c"heif_image_get_width": fn(*const c_void, c_int) -> c_int;
    image_height = c"heif_image_get_height": fn(*const c_void, c_int) -> c_int;
    plane = c"heif_image_get_plane_readonly": fn(*const c_void, c_int, *mut c_int) -> *const u8;
    depth = c"heif_image_get_bits_per_pixel_range": fn(*const c_void, c_int) -> c_int;
    can_decode = c"heif_have_decoder_for_format": fn(c_int) -> c_int;
}

/// libheif with a decoder of HEVC; looked for once in a process.
pub(super) fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    let find = || {
        let library = ["libheif.so.1", "libheif.1.dylib"].into_iter().find_map(Library::load)?;
        // SAFETY: takes and gives a number.
        (unsafe { (library.can_decode)(COMPRESSION_HEVC) } != 0).then_some(library)
    };
    LIBRARY.get_or_init(find).as_ref()
}
