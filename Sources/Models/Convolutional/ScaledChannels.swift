import Configuration

/// The channels of a network that is wider or narrower than the published one: the nearest multiple of 8 that is at most a tenth less, and at
/// least 8.
func scaledChannels(_ channels: Int, by factor: Double) -> Int {
    let exact = Double(channels) * factor, rounded = max(8, Int(exact + 4) / 8 * 8)
    return Double(rounded) < 0.9 * exact ? rounded + 8 : rounded
}

/// The key `width_multiplier`.
func widthMultiplierOption<Root>(_ property: WritableKeyPath<Root, Double> & Sendable) -> Key<Root> {
    Key("width_multiplier", property, .number(in: 0.0625...16), "The factor of all channels, which are rounded to multiples of 8.")
}
