#include "internal.h"
#include <webp/decode.h>

/// The EXIF chunk of a RIFF container.
static int orientation(const uint8_t *bytes, size_t count) {
    for (size_t place = 12; place + 8 <= count;) {
        size_t length = bytes[place + 4] | (size_t)bytes[place + 5] << 8 | (size_t)bytes[place + 6] << 16 | (size_t)bytes[place + 7] << 24;
        if (length > count - place - 8) return 1;
        if (memcmp(bytes + place, "EXIF", 4) == 0) {
            const uint8_t *block = bytes + place + 8;
            // Some writers put JPEG's prefix before it.
            int has_prefix = length > 6 && memcmp(block, "Exif\0\0", 6) == 0;
            return exif_orientation(block + (has_prefix ? 6 : 0), length - (has_prefix ? 6 : 0));
        }
        place += 8 + length + (length & 1);
    }
    return 1;
}

static int features(const uint8_t *bytes, size_t count, WebPBitstreamFeatures *found, char message[IMAGE_MESSAGE]) {
    switch (WebPGetFeatures(bytes, count, found)) {
    case VP8_STATUS_OK: break;
    case VP8_STATUS_NOT_ENOUGH_DATA: return fail(message, "is cut off: a WebP file that ends in its header");
    case VP8_STATUS_UNSUPPORTED_FEATURE: return fail(message, "is a WebP file of a kind that libwebp cannot read");
    default: return fail(message, "is damaged: its WebP header cannot be read");
    }
    if (found->has_animation) return fail(message, "is an animation, expected one image");
    return 0;
}

int webp_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]) {
    WebPBitstreamFeatures found;
    if (features(bytes, count, &found, message)) return 1;
    *header = (image_header){
        .format = IMAGE_WEBP, .width = found.width, .height = found.height, .bits = 8, .channels = found.has_alpha ? 4 : 3,
        .orientation = orientation(bytes, count)};
    return 0;
}

int webp_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, raw_image *image, char message[IMAGE_MESSAGE]) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return fail(message, "needs another version of libwebp");
    if (features(bytes, count, &config.input, message)) return 1;
    if (too_many_pixels(config.input.width, config.input.height, wishes->most_pixels, message)) return 1;
    *image = (raw_image){
        .width = config.input.width, .height = config.input.height, .channels = config.input.has_alpha ? 4 : 3, .bytes_per_sample = 1};
    if (raw_allocate(image, message)) return 1;
    config.output.colorspace = image->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->samples;
    config.output.u.RGBA.stride = image->width * image->channels;
    config.output.u.RGBA.size = (size_t)image->width * (size_t)image->channels * (size_t)image->height;
    VP8StatusCode status = WebPDecode(bytes, count, &config);
    if (status == VP8_STATUS_OK) return 0;
    free(image->samples);
    image->samples = NULL;
    if (status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED) {
        return fail(message, "is cut off: a WebP file that ends before its last row");
    }
    if (status == VP8_STATUS_OUT_OF_MEMORY) return fail(message, "needs more memory than there is");
    return fail(message, "is damaged: its WebP data cannot be decoded");
}
