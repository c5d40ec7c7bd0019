import TensorCore

/// An image of any size cut into tiles of a model's size that overlap, and their answers put together again.
///
/// Tiles lie in rows and columns, `step` = tile − overlap pixels apart, rounded down to a multiple of the largest power of two up to 32 that fits, so that networks
/// that halve their maps see every tile on one grid. The last tiles reach beyond the image, and a smaller image beyond its end at once: there it is mirrored. Each
/// pixel gets the answer of the tile whose border is farthest from it: overlaps are cut in the middle, nothing is averaged.
///
/// Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, figure 2 (overlap-tile).
public struct Tiling: Sendable, Equatable {
    /// Of one axis.
    struct Axis: Sendable, Equatable {
        let length: Int
        let tile: Int
        /// Where each tile begins.
        let starts: [Int]

        init(_ length: Int, tile: Int, overlap: Int) {
            (self.length, self.tile) = (length, tile)
            var step = max(1, tile - overlap), unit = 32
            while unit > step { unit /= 2 }
            step = step / unit * unit
            starts = length <= tile ? [0] : Array(stride(from: 0, to: length - tile + step, by: step))
        }

        /// The pixels whose answers a tile gives.
        func owned(_ index: Int) -> Range<Int> {
            func border(_ index: Int) -> Int { (starts[index] + starts[index - 1] + tile) / 2 }
            return (index == 0 ? 0 : border(index))..<(index + 1 == starts.count ? length : border(index + 1))
        }

        /// The pixel that is seen at a place, beyond the end a mirrored one.
        func origin(_ place: Int) -> Int {
            guard length > 1 else { return 0 }
            let period = 2 * (length - 1), rest = place % period
            return rest < length ? rest : period - rest
        }
    }

    let rows, columns: Axis

    /// - Parameters:
    ///   - overlap: how many pixels neighbours have in common, at least; fewer than a tile has.
    public init(_ image: Size2D, tile: Size2D, overlap: Int) {
        precondition(min(image.height, image.width) > 0 && overlap >= 0 && overlap < min(tile.height, tile.width), "tiles overlap by less than their size")
        rows = Axis(image.height, tile: tile.height, overlap: overlap)
        columns = Axis(image.width, tile: tile.width, overlap: overlap)
    }

    /// How many tiles there are.
    public var count: Int { rows.starts.count * columns.starts.count }

    /// One tile `[tile height, tile width, channels]` of an image `[height, width, channels]`, row by row.
    public func tile<Value>(_ index: Int, of image: [Value], channels: Int) -> [Value] {
        let top = rows.starts[index / columns.starts.count], left = columns.starts[index % columns.starts.count]
        var values: [Value] = []
        values.reserveCapacity(rows.tile * columns.tile * channels)
        for row in top..<top + rows.tile {
            for column in left..<left + columns.tile {
                let start = (rows.origin(row) * columns.length + columns.origin(column)) * channels
                values += image[start..<start + channels]
            }
        }
        return values
    }

    /// Writes what a tile answers for its pixels, `[tile height, tile width]`, into the answer for the image, `[height, width]`.
    public func put<Value>(_ answer: [Value], ofTile index: Int, into whole: inout [Value]) {
        let row = index / columns.starts.count, column = index % columns.starts.count
        let owned = columns.owned(column), left = columns.starts[column]
        for y in rows.owned(row) {
            let source = (y - rows.starts[row]) * columns.tile - left
            for x in owned { whole[y * columns.length + x] = answer[source + x] }
        }
    }
}
