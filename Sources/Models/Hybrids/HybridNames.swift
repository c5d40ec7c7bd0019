/// The two conventions of names for a hybrid: this library's `backbone.…`, and timm's `patch_embed.backbone.…`.
///
/// A backbone that is a stem alone (R+Ti/16) is the stem itself in timm: `backbone.stem.conv` is `patch_embed.backbone.conv` there.
public enum HybridNames {
    private static let own = "backbone.", timm = "patch_embed.backbone.", stem = "stem."
    /// The parts of the stem of the hybrids' ResNet.
    private static let stemParts = ["conv.", "norm."]

    /// All names of a hybrid in timm's convention; those without a backbone stay.
    public static func timm(of names: [String]) -> [String] {
        let isStemAlone = names.allSatisfy { name in !name.hasPrefix(own) || stemParts.contains { name.hasPrefix(own + stem + $0) } }
        return names.map { $0.hasPrefix(own) ? timm + $0.dropFirst(own.count + (isStemAlone ? stem.count : 0)) : $0 }
    }

    /// The names that may be meant by a name of timm's, the likelier one first; none for names of other parts than the backbone.
    public static func own(of name: String) -> [String] {
        guard name.hasPrefix(timm) else { return [] }
        let rest = String(name.dropFirst(timm.count))
        return [own + rest] + (stemParts.contains { rest.hasPrefix($0) } ? [own + stem + rest] : [])
    }
}

extension HybridConfiguration {
    /// Whether timm has names for all of it: those of the network, and one projection of its features.
    var hasNamesOfTimm: Bool { type(of: backbone.network).weightNames.contains(.timm) && !tokens.hasSeveralStages }
}
