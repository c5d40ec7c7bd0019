import Layers
import TensorCore

/// A classifier with auxiliary heads on some of its stages, which are trained beside the main one and left out when the network is used.
///
/// Outputs: those of the classifier, then what each auxiliary head gives `[B, classes]`, under the name of the head and with the weight of its loss.
struct AuxiliaryModel: ImageModel {
    /// A head on the features of a stage, `[B, h, w, C]` → `[B, classes]`.
    struct Head {
        let name: String
        let stage: String
        let weight: Double
        let layer: any Layer
    }

    private let classifier: EncodedModel
    private let heads: [Head]

    init(_ classifier: EncodedModel, heads: [Head]) {
        (self.classifier, self.heads) = (classifier, heads)
    }

    func callAsFunction(_ images: Tensor) -> NamedOutputs {
        var outputs = classifier(images)
        for head in heads {
            guard let features = outputs["features.\(head.stage)"] else { preconditionFailure("the network has no stage \(head.stage)") }
            outputs.add(head.name, head.layer(features), auxiliaryWeight: head.weight)
        }
        return outputs
    }
}
