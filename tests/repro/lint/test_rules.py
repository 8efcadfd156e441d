"""Every rule of the lint on code that breaks it and on code that comes close."""

from __future__ import annotations

import pytest

from cascada.repro.diagnosis import Finding, Severity
from cascada.repro.lint.check import all_rules, lint_source
from cascada.repro.lint.sources import SourceText

BREAKS = {
    "D101": [
        "import numpy as np\nx = np.random.rand(3)",
        "from numpy.random import default_rng\nrng = default_rng()",
        "import numpy as np\nrng = np.random.default_rng(seed=None)",
        "import random as r\nr.shuffle([1, 2])",
        "import torch\nx = torch.randn(3)",
        "import tensorflow as tf\nx = tf.random.normal((2,))",
    ],
    "D102": [
        "import random\nr = random.Random()",
        "from numpy.random import RandomState as RS\nr = RS()",
        "import numpy as np\nnp.random.seed(None)",
        "from random import SystemRandom\nr = SystemRandom()",
    ],
    "D103": [
        "from sklearn.model_selection import train_test_split as tts\na, b = tts(x, test_size=0.2)",
        "import sklearn.ensemble as se\nm = se.RandomForestClassifier(n_estimators=5, random_state=None)",
        "from sklearn.model_selection import KFold\nk = KFold(5, shuffle=True)",
        "from sklearn.cluster import KMeans\nm = KMeans(3)",
    ],
    "D104": [
        "import time, random\nrandom.seed(time.time())",
        "import os\nfrom numpy.random import default_rng\nr = default_rng(int.from_bytes(os.urandom(4)))",
        "import time\nseed = int(time.time()) % 1000",
        "from datetime import datetime\nimport torch\ntorch.manual_seed(datetime.now().microsecond)",
        "from sklearn.svm import SVC\nm = SVC(random_state=hash('a'))",
        "import uuid\nf(seed=uuid.uuid4().int)",
    ],
    "D105": ["side = hash(name) % 10"],
    "D106": ["from torch.utils.data import DataLoader\nd = DataLoader(x, shuffle=True, num_workers=2)"],
    "D201": [
        "import os\nfiles = [f for f in os.listdir('data')]",
        "import glob\nfor f in glob.glob('*.csv'):\n    rows.append(f)",
        "from pathlib import Path\nfiles = list(Path('x').rglob('*.csv'))",
        "from pathlib import Path\ndef f(p: Path):\n    for q in p.iterdir():\n        yield q",
        "import glob\nfiles = glob.glob('*.csv')\nfor f in files:\n    rows.append(f)",
        "import glob\nfiles = glob.glob('*.csv')\ntables = [read(f) for f in files]",
        "import os\nfor i, f in enumerate(os.listdir('x')):\n    out.append((i, f))",
        "import os, pandas as pd\nt = pd.concat(pd.read_csv(f) for f in os.listdir('x'))",
    ],
    "D202": [
        "classes = list(set(labels))",
        "names = set(labels)\ncolumns = [f(name) for name in names]",
        "for name in {'a', 'b'}:\n    columns.append(name)",
        "text = ','.join({str(x) for x in xs})",
        "x = [f(a) for a in set(names)]",
        "codes = {}\nfor i, c in enumerate(set(labels)):\n    codes[c] = i",
        "codes = {c: i for i, c in enumerate(set(labels))}",
    ],
    "D203": [
        "from concurrent.futures import as_completed\nfor f in as_completed(fs):\n    out.append(f.result())",
        "out = list(pool.imap_unordered(f, xs))",
    ],
    "D301": [
        "import torch\ntorch.backends.cudnn.benchmark = True",
        "from torch.backends import cudnn\ncudnn.benchmark = True",
        "from lightning import Trainer\nt = Trainer(benchmark=True)",
    ],
    "D302": [
        "import torch\ntorch.use_deterministic_algorithms(False)",
        "import torch\ntorch.backends.cudnn.deterministic = False",
        "import lightning as L\nt = L.Trainer(deterministic=False)",
        "from xgboost import XGBClassifier\nm = XGBClassifier(deterministic_histogram=False)",
    ],
    "D303": [
        "import torch\nx.to('cuda')\ny.scatter_add_(0, i, x)",
        "import torch.nn as nn\nloss = nn.CTCLoss().cuda()",
        "import torch\nd = 'cuda'\nh = torch.histc(x)",
    ],
    "D304": ["import lightgbm as lgb\nm = lgb.LGBMClassifier(n_estimators=5)"],
    "D305": [
        "x = x.to('cuda:1')",
        "import torch\ntorch.cuda.set_device(0)",
        "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '3'",
    ],
    "D306": [
        "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True",
        "import torch\ntorch.set_float32_matmul_precision('high')",
    ],
    "D401": ["p = '/home/ana/data.csv'", "open('~/x.csv')", "p = r'C:\\Users\\ana\\x.csv'", "p = '/scratch/run/x'"],
    "D402": [
        "import requests\nr = requests.get('https://example.org/x.csv')",
        "import pandas as pd\nt = pd.read_csv('https://example.org/x.csv')",
        "from urllib.request import urlretrieve\nURL = 'https://example.org/x'\nurlretrieve(URL, 'x')",
        "import requests\nr = requests.get(f'https://example.org/{name}')",
        "import pooch\np = pooch.retrieve('https://example.org/x', known_hash=None)",
    ],
    "D403": [
        "from sklearn.datasets import fetch_openml\nd = fetch_openml('mnist_784')",
        "from transformers import AutoModel\nm = AutoModel.from_pretrained('bert/base')",
        "from datasets import load_dataset\nd = load_dataset('owner/name')",
    ],
    "D404": [
        "import pickle\nm = pickle.load(f)",
        "import joblib\nm = joblib.load('m')",
        "import torch\nw = torch.load('w', weights_only=False)",
        "import numpy as np\na = np.load('a', allow_pickle=True)",
    ],
    "D501": [
        "X = MinMaxScaler().fit_transform(X)\na, b = train_test_split(X)",
        "X2 = scaler.fit_transform(X)\nX3 = X2 * 2\na, b = train_test_split(X3, y)",
        "def f(X, y):\n    X, y = SMOTE().fit_resample(X, y)\n    return train_test_split(X, y)",
    ],
    "D502": [
        "X_train = s.fit_transform(X_train)\nX_test = s.fit_transform(X_test)",
        "model.fit(x_train, y_train)\nmodel.fit(x_test, y_test)",
    ],
}  # fmt: skip

KEEPS = {
    "D101": [
        "import numpy as np\nnp.random.seed(1)\nx = np.random.rand(3)",
        "import numpy as np\nx = np.random.default_rng(7).random(3)",
        "from lightning import seed_everything\nimport torch\nseed_everything(1)\nx = torch.rand(3)",
        "import torch\ng = torch.Generator().manual_seed(1)\nx = torch.rand(3, generator=g)",
        "def f(rng):\n    return rng.random(3)",
        "import numpy as np\nr = np.random.default_rng(*arguments)",
    ],
    "D102": ["import random\nr = random.Random(3)", "import numpy as np\nr = np.random.RandomState(seed)"],
    "D103": [
        "from sklearn.model_selection import train_test_split\na, b = train_test_split(x, random_state=0)",
        "from sklearn.model_selection import train_test_split\na, b = train_test_split(x, shuffle=False)",
        "from sklearn.model_selection import KFold\nk = KFold(5)",
        "from sklearn.cluster import KMeans\nm = KMeans(**options)",
        "from sklearn.linear_model import Ridge\nm = Ridge()",
        "def train_test_split(x):\n    return x\ntrain_test_split(3)",
    ],
    "D104": ["import time\nstart = time.time()", "import random\nrandom.seed(int(sys.argv[1]))"],
    "D105": ["class A:\n    def __hash__(self):\n        return hash((self.x,))", "x = hash(3)"],
    "D106": [
        "from torch.utils.data import DataLoader\nd = DataLoader(x, shuffle=True, generator=g)",
        "from torch.utils.data import DataLoader\nd = DataLoader(x)",
    ],
    "D201": [
        "import os\nfiles = sorted(os.listdir('data'))",
        "import os\nn = len(os.listdir('data'))",
        "from pathlib import Path\nfor p in Path('x').iterdir():\n    p.unlink()",
        "from pathlib import Path\nfiles = sorted(p.name for p in Path('x').glob('*') if p.is_file())",
        "import os\nfiles = [f for f in os.listdir('x')]\nfiles.sort()",
        "import os\nfiles = os.listdir('x')\nfor f in sorted(files):\n    rows.append(f)",
        "from pathlib import Path\nnewest = max(Path('x').glob('*'), key=age)",
        "import os\nok = any(f.endswith('.csv') for f in os.listdir('x'))",
    ],
    "D202": [
        "classes = sorted(set(labels))",
        "names = set(labels)\nok = 'a' in names\nn = len(names)",
        "names = set(labels)\nfor name in sorted(names):\n    columns.append(name)",
        "n = len(set(labels))",
        "if name in {'a', 'b'}:\n    pass",
        "for name in sorted({'a', 'b'}):\n    columns.append(name)",
        "missing = set(a) - set(b)",
    ],
    "D203": ["from concurrent.futures import as_completed\nfor f in as_completed(fs):\n    f.result()"],
    "D301": ["import torch\ntorch.backends.cudnn.benchmark = False"],
    "D302": ["import torch\ntorch.use_deterministic_algorithms(True)"],
    "D303": [
        "import torch\ny.scatter_add_(0, i, x)",
        "import torch\ntorch.use_deterministic_algorithms(True)\nx.to('cuda')\ny.scatter_add_(0, i, x)",
        "import numpy as np\n'cuda'\nh = np.bincount(x)",
    ],
    "D304": [
        "import lightgbm as lgb\nm = lgb.LGBMClassifier(deterministic=True)",
        "import lightgbm as lgb\nm = lgb.LGBMClassifier(n_jobs=1)",
    ],
    "D305": ["x = x.to('cuda:0')", "x = x.to('cuda')", "import torch\ntorch.cuda.set_device(rank)"],
    "D306": ["import torch\ntorch.set_float32_matmul_precision('highest')"],
    "D401": ["p = 'data/x.csv'", "route = '/predict'", "def f():\n    '/home/ana'", "p = r'C:\\Windows'"],
    "D402": [
        "import httpx\nr = httpx.get('http://127.0.0.1:3000/predict')",
        "import requests, hashlib\nr = requests.get('https://example.org/x')\nhashlib.sha256(r.content)",
        "import pandas as pd\nt = pd.read_csv('x.csv')",
        "import requests\nr = requests.get(url)",
    ],
    "D403": [
        "from sklearn.datasets import fetch_openml\nd = fetch_openml('mnist_784', version=1)",
        "from transformers import AutoModel\nm = AutoModel.from_pretrained('bert/base', revision='abc')",
        "from transformers import AutoModel\nm = AutoModel.from_pretrained('./local')",
    ],
    "D404": ["import numpy as np\na = np.load('a.npy')", "import json\nx = json.load(f)"],
    "D501": [
        "y = LabelEncoder().fit_transform(y)\na = train_test_split(X, y)",
        "a, b = train_test_split(X)\na = s.fit_transform(a)\nb = s.transform(b)",
        "X = s.fit_transform(X)\nX = load()\na, b = train_test_split(X)",
        "def f(X):\n    X = s.fit_transform(X)\ndef g(X):\n    a, b = train_test_split(X)",
    ],
    "D502": [
        "X_train = s.fit_transform(X_train)\nX_test = s.transform(X_test)",
        "test = fit(test)",
    ],
}  # fmt: skip


def lint(code: str) -> list[Finding]:
    return lint_source(SourceText("train.py", f"{code}\n"))


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(rule, code) for rule, codes in table.items() for code in codes]


@pytest.mark.parametrize(("rule", "code"), cases(BREAKS))
def test_it_is_found(rule: str, code: str) -> None:
    assert rule in [one.rule for one in lint(code)]


@pytest.mark.parametrize(("rule", "code"), cases(KEEPS))
def test_what_comes_close_is_not(rule: str, code: str) -> None:
    assert rule not in [one.rule for one in lint(code)]


def test_every_rule_has_cases() -> None:
    """Those of notebooks are in `test_notebooks.py`."""
    scripts = {rule.number for rule in all_rules() if not rule.number.startswith("D6")}
    assert scripts == BREAKS.keys() == KEEPS.keys()


def test_a_finding_says_where_and_what_to_do() -> None:
    (one,) = lint("import os\n\nnames = list(\n    os.listdir('x')\n)")
    assert one.where == "train.py:4"
    assert one.severity is Severity.warning
    assert "os.listdir() lists files" in one.message
    assert "sorted(" in one.fix


def test_many_draws_are_one_finding() -> None:
    (one,) = lint("import random\na = random.random()\nb = random.random()\nc = random.random()")
    assert one.message.endswith("and 2 more draws")
