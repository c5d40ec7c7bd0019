#include "internal.h"
#include <png.h>

int image_encode_png(const uint8_t *samples, int width, int height, int channels, uint8_t **bytes, size_t *count) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height};
    image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    png_alloc_size_t needed = PNG_IMAGE_PNG_SIZE_MAX(image);
    *bytes = malloc(needed);
    if (!*bytes) return 1;
    if (!png_image_write_to_memory(&image, *bytes, &needed, 0, samples, 0, NULL)) {
        free(*bytes);
        *bytes = NULL;
        return 1;
    }
    *count = needed;
    return 0;
}
