// One import for programs that define networks, train them on data of their own, and read what was recorded.

@_exported import Configuration
@_exported import Experiments
@_exported import Figures
@_exported import HDF5
@_exported import Layers
@_exported import Measures
@_exported import Models
@_exported import Reports
@_exported import RunStore
@_exported import Tasks
@_exported import TensorCore
@_exported import Training
@_exported import VisionData
