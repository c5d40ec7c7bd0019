import Configuration
import Testing

@testable import Experiments

@Suite struct OverrideTests {
    private let text = """
        data: {name: digits, augment: [flip, {shift: 2}]}
        train:
          optimizer: sgd
          epochs: 4
        models: {vit: {vit: {width: 32}}}
        """

    private func apply(_ words: String...) throws -> ConfigurationNode {
        var root = try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }
        for word in words { try Override(word: word).apply(to: &root) }
        return root
    }

    private func message(_ word: String) -> String {
        do {
            return "no error: \(try apply(word))"
        } catch { return "\(error)" }
    }

    @Test func replacesAValueAndMarksItsPlace() throws {
        let epochs = try apply("train.epochs=2")["train"]?["epochs"]
        #expect(epochs?.value == .scalar("2", quoted: false))
        #expect(epochs?.mark.description == "override 'train.epochs=2'")
    }

    @Test func theLastOfTwoWins() throws {
        #expect(try apply("train.epochs=2", "train.epochs=3")["train"]?["epochs"]?.value == .scalar("3", quoted: false))
    }

    @Test func addsKeysAndTheMapsOnTheWay() throws {
        let root = try apply("train.schedule.cosine.warmup_epochs=1")
        #expect(root["train"]?["schedule"]?["cosine"]?["warmup_epochs"]?.value == .scalar("1", quoted: false))
        #expect(root["train"]?["epochs"] != nil)
    }

    @Test func readsTheValueAsYAML() throws {
        guard case .list(let seeds) = try apply("seeds=[0, 1]")["seeds"]?.value else {
            Issue.record("seeds are no list")
            return
        }
        #expect(seeds.count == 2)
        #expect(try apply("data={name: 'fashion=mnist'}")["data"]?["name"]?.value == .scalar("fashion=mnist", quoted: true))
        #expect(try apply("train.epochs=")["train"]?["epochs"]?.value == .null)
    }

    @Test func reachesIntoListsAndBareNames() throws {
        let root = try apply("data.augment.1.shift=3", "train.optimizer.sgd.momentum=0.9")
        guard case .list(let augment) = root["data"]?["augment"]?.value else {
            Issue.record("augment is no list")
            return
        }
        #expect(augment[1]["shift"]?.value == .scalar("3", quoted: false))
        #expect(root["train"]?["optimizer"]?["sgd"]?["momentum"]?.value == .scalar("0.9", quoted: false))
    }

    @Test func addsAndTakesAway() throws {
        let root = try apply("+models.line=lenet5", "~train.epochs", "~data.augment.0", "~models.vit")
        #expect(root["models"].map { YAML.line($0) } == "{line: lenet5}")
        #expect(root["train"].map { YAML.line($0) } == "{optimizer: sgd}")
        #expect(root["data"].map { YAML.line($0) } == "{name: digits, augment: [{shift: 2}]}")
    }

    @Test(arguments: [
        ("models.vti.vit.width=4", "override 'models.vti.vit.width=4': models.vti: there is no model 'vti'; did you mean 'vit'? (+models.vti=… adds one)"),
        ("models.vit.resnet.depth=8",
            "override 'models.vit.resnet.depth=8': models.vit.resnet: models.vit is vit (x.yaml:5); models.vit={resnet: {…}} makes it resnet"),
        ("+train.epochs=1", "override '+train.epochs=1': train.epochs: is there already (x.yaml:4); leave out the '+' to change it"),
        ("~train.epoch", "override '~train.epoch': train.epoch: there is no 'epoch' to take away; did you mean 'epochs'?"),
        ("~train.schedule.cosine", "override '~train.schedule.cosine': train.schedule: there is no 'schedule' to take away; known: epochs, optimizer"),
        ("~data.augment.2", "override '~data.augment.2': data.augment: expected a position below 2, found a list of 2"),
        ("~train.epochs=1", "override '~train.epochs=1': expected ~path.to.key, found a value"),
        ("epochs", "override 'epochs': expected path.to.key=value, found no '='"),
        ("train..epochs=1", "override 'train..epochs=1': expected path.to.key=value, found an empty name in 'train..epochs'"),
        ("=1", "override '=1': expected path.to.key=value, found an empty name in ''"),
        ("train.epochs.first=1", "override 'train.epochs.first=1': train.epochs: expected a map, found 4"),
        ("data.augment.2=x", "override 'data.augment.2=x': data.augment: expected a position below 2, found a list of 2"),
        ("seeds=[0", "override 'seeds=[0': not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence that begins at line 1)"),
    ])
    func oneSentence(word: String, sentence: String) {
        #expect(message(word) == sentence)
    }
}
