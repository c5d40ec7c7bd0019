#include "internal.h"
#include <png.h>

/// Writes an image whose size and format are set.
static int encode(png_image *image, const uint8_t *samples, const uint8_t *palette, uint8_t **bytes, size_t *count) {
    png_alloc_size_t needed = PNG_IMAGE_PNG_SIZE_MAX(*image);
    *bytes = malloc(needed);
    if (!*bytes) return 1;
    if (!png_image_write_to_memory(image, *bytes, &needed, 0, samples, 0, palette)) {
        free(*bytes);
        *bytes = NULL;
        return 1;
    }
    *count = needed;
    return 0;
}

int image_encode_png(const uint8_t *samples, int width, int height, int channels, uint8_t **bytes, size_t *count) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height};
    image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    return encode(&image, samples, NULL, bytes, count);
}

int image_encode_palette_png(const uint8_t *places, int width, int height, const uint8_t palette[768], uint8_t **bytes, size_t *count) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height};
    image.format = PNG_FORMAT_RGB_COLORMAP;
    image.colormap_entries = 256;
    return encode(&image, places, palette, bytes, count);
}
