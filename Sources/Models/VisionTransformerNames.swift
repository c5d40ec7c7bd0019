/// The two conventions of names for a vision transformer: timm's, which are this library's, and torchvision's.
public enum VisionTransformerNames {
    /// What stands for a module or tensor in each; `#` is a block's number, and what follows the end stays (`.weight`).
    private static let pairs: [(timm: String, torchvision: String)] = [
        ("cls_token", "class_token"), ("pos_embed", "encoder.pos_embedding"), ("patch_embed.proj", "conv_proj"), ("norm", "encoder.ln"),
        ("head", "heads.head"),
    ] + [
        ("norm1", "ln_1"), ("attn.qkv.weight", "self_attention.in_proj_weight"), ("attn.qkv.bias", "self_attention.in_proj_bias"),
        ("attn.proj", "self_attention.out_proj"), ("norm2", "ln_2"), ("mlp.fc1", "mlp.0"), ("mlp.fc2", "mlp.3"),
        // As torchvision wrote them before 0.13; a name is translated to the first that fits.
        ("mlp.fc1", "mlp.linear_1"), ("mlp.fc2", "mlp.linear_2"),
    ].map { ("blocks.#.\($0)", "encoder.layers.encoder_layer_#.\($1)") }

    /// The name in timm's convention of what torchvision calls `name`; nil for other names.
    public static func timm(of name: String) -> String? {
        pairs.lazy.compactMap { translated(name, from: $0.torchvision, to: $0.timm) }.first
    }

    /// The name in torchvision's convention of what timm calls `name`; nil for other names.
    public static func torchvision(of name: String) -> String? {
        pairs.lazy.compactMap { translated(name, from: $0.timm, to: $0.torchvision) }.first
    }

    private static func translated(_ name: String, from pattern: String, to other: String) -> String? {
        let parts = pattern.split(separator: "#", omittingEmptySubsequences: false), otherParts = other.split(separator: "#")
        guard name.hasPrefix(parts[0]) else { return nil }
        var rest = name.dropFirst(parts[0].count), result = String(otherParts[0])
        if parts.count == 2 {
            let number = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(number.count)
            guard !number.isEmpty, rest.hasPrefix(parts[1]) else { return nil }
            rest = rest.dropFirst(parts[1].count)
            result += number + otherParts[1]
        }
        return rest.isEmpty || rest.first == "." ? result + rest : nil
    }
}
