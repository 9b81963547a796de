"""Data sets, their files, a loader and augmentation: NumPy arrays, never a tensor."""

from extensor.data.augment import Elastic as Elastic
from extensor.data.augment import Rotate as Rotate
from extensor.data.augment import Shift as Shift
from extensor.data.dataset import Dataset as Dataset
from extensor.data.embedded import digits as digits
from extensor.data.idx import read_idx as read_idx
from extensor.data.loader import DataLoader as DataLoader
from extensor.data.mnist_family import fashion_mnist as fashion_mnist
from extensor.data.mnist_family import mnist as mnist
from extensor.data.shakespeare import shakespeare as shakespeare
from extensor.data.text import Text as Text
from extensor.data.text import text as text
from extensor.data.transform import Compose as Compose
from extensor.data.transform import Transform as Transform
from extensor.data.windows import WindowLoader as WindowLoader
