/// The size of the images of a data set, or that a model takes. Sizes in text are height×width×channels.
public struct ImageShape: Codable, Hashable, Sendable, CustomStringConvertible {
    /// Rows of pixels.
    public let height: Int
    /// Columns of pixels.
    public let width: Int
    /// Numbers a pixel.
    public let channels: Int

    /// Images of so many rows, columns and channels.
    public init(height: Int, width: Int, channels: Int) {
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Values in one image.
    public var count: Int { height * width * channels }

    /// As messages write it: `28×28×1`.
    public var description: String { "\(height)×\(width)×\(channels)" }
}
