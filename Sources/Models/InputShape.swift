/// The size of the images that a model takes. Sizes in text are height×width×channels.
public struct InputShape: Codable, Hashable, Sendable, CustomStringConvertible {
    public let height: Int
    public let width: Int
    public let channels: Int

    public init(height: Int, width: Int, channels: Int) {
        self.height = height
        self.width = width
        self.channels = channels
    }

    public var description: String { "\(height)×\(width)×\(channels)" }
}
