#pragma once
#include <stddef.h>
#include <stdint.h>

// Image files by libjpeg-turbo, libpng and libwebp behind one function, and the resampling of what they give. Nothing here is global; every
// function may run on any thread.

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP } image_format;

/// What a file says of itself. Width and height are those of the upright image, after the orientation that its EXIF block gives it.
typedef struct {
    image_format format;
    int width, height;
    /// Of the stored samples: 1 to 16.
    int bits;
    /// Of the stored image: 1 grayscale, 3 colours, 4 CMYK; with alpha one more.
    int channels;
    /// 1 to 8, as EXIF counts; 1 where nothing is said.
    int orientation;
} image_header;

/// A decoded image: rows from the top, pixels from the left, channels together.
typedef struct {
    int width, height;
    /// 1 or 3.
    int channels;
    /// 1: uint8_t samples, white is 255; 2: uint16_t samples, white is 65535.
    int bytes_per_sample;
    /// Freed by image_free.
    void *samples;
} image_pixels;

typedef struct {
    /// 0: as the file has them; 1: grayscale, by the luma of ITU-R BT.601; 3: colours.
    int channels;
    /// What shows behind transparent pixels, 0 to 255.
    uint8_t background[3];
    /// 0: all pixels; else a JPEG file may be decoded to a half, a quarter or an eighth of its size in the DCT, not below this upright size.
    int least_width, least_height;
    /// More pixels than this are an error.
    int64_t most_pixels;
} image_wishes;

enum { IMAGE_MESSAGE = 200 };

/// Reads what a file says of itself. Returns 0, or 1 with a message: the end of a sentence that begins with the file's name.
int image_read_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]);

/// Decodes a file that lies in memory. Returns 0, or 1 with a message.
int image_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, image_pixels *pixels, char message[IMAGE_MESSAGE]);

/// Decodes a PNG file whose pixels are numbers of classes: places in its palette, or gray levels of up to 8 bits, as they are stored. Returns 0, or 1 with a
/// message.
int image_decode_classes(const uint8_t *bytes, size_t count, int64_t most_pixels, image_pixels *pixels, char message[IMAGE_MESSAGE]);

void image_free(image_pixels *pixels);

/// The decoding libraries and their versions: `libjpeg-turbo 2.1.5, libpng 1.6.39, libwebp 1.2.4`.
const char *image_library_versions(void);

typedef enum { IMAGE_BILINEAR, IMAGE_BICUBIC } image_filter;

/// A rectangle of pixels.
typedef struct {
    int left, top, width, height;
} image_rectangle;

/// Resamples a rectangle of an image, as if it were the whole image, to `width`×`height` pixels, and writes those in `window`: antialiased as
/// Pillow does it, in integers, so that every machine finds the same. `output` takes the window's pixels of the image's channels and samples.
/// Returns 0, or 1 where there is no memory.
int image_resample(
    const image_pixels *pixels, image_rectangle part, image_filter filter, int width, int height, image_rectangle window, void *output);

/// A PNG file of samples of 8 bits, 1 or 3 channels. Returns 0, or 1 where there is no memory; `bytes` is freed by the caller.
int image_encode_png(const uint8_t *samples, int width, int height, int channels, uint8_t **bytes, size_t *count);

/// A PNG file of places in a palette of 256 colours, red, green and blue. Returns 0, or 1 where there is no memory; `bytes` is freed by the caller.
int image_encode_palette_png(const uint8_t *places, int width, int height, const uint8_t palette[768], uint8_t **bytes, size_t *count);

#ifdef __cplusplus
}
#endif
