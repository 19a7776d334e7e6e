"""Every wrong value, key or option ends in one line that names the key, and exit code 2; nothing is written."""

import re
import sys
from pathlib import Path

import pytest

from irg_experiments.cli import run

LDA, SVI, VAE, CROSS, ACCURACY = (
    ("experiment=lda",),
    ("model=lda_svi", "method=svi"),
    ("experiment=vae", "data=digits"),
    ("experiment=cross_entropy",),
    ("experiment=accuracy",),
)

# methods for Gamma samples whose gradient does not flow through samples alone, or that do not draw them by an rsample
NOT_PATHWISE = ("score_function", "rsvi", "generalized", "finite_difference", "knowles")

# the key or word that the line must name -> command lines
BAD: dict[str, list[tuple[str, ...]]] = {
    "seed": [
        (f"seed={value}",)
        for value in ("abc", "2**70", "9999999999999999999", "-1", "1.5", "1e3", "true", "null", "[1]", "'${nope}'", "'???'")
    ]
    + [("seed.foo=3",), ("+seed.foo=3",), ("+seed=1",), ("seed='${oc.env:IRG_NO_SUCH_VARIABLE}'",), ("~seed",)],
    "threads": [(f"threads={value}",) for value in ("0", "-1", "1.5", "two", "true", "100000")],
    "compile": [(f"compile={value}",) for value in ("yes", "true", "1", "null")],
    "rerun": [(f"rerun={value}",) for value in ("no", "1", "null")],
    "profile": [(f"profile={value}",) for value in ("yes", "1", "null")] + [("experiment=accuracy", "profile=true")],
    "device": [(f"device={value}",) for value in ("gpu", "null", "0", "[cpu]")],
    "output": [(f"output={value}",) for value in ("[a]", "5", "null", "''")],
    "quotes": [("output=é",), ("output=日本",)],
    "is missing in the value": [("seed=[1",), ("model.hidden=[300",), ("training={steps: 3",), ("model.hidden=300]",)],
    "a quote in the value": [("output='a",)],
    "is no key": [(".seed=3",), ("training..steps=3",), ("seed.=3",), ("methods+=rsvi",)],
    "write seed=3": [("seed==3",)],
    "budget": [(f"budget={value}",) for value in ("x", "5", "null", "[short]")],
    "experiment": [
        ("experiment=nonsense",),
        ("experiment=null",),
        ("experiment=",),
        ("~experiment",),
        ("_target_=foo",),
        ("_target_=math.pi",),
    ],
    "data.name must be bars": [("data.name=newsgroups",)],
    "method.name must be implicit": [("method.name=rsvi",)],
    "model.name must be lda": [("model.name=vae",), (*LDA, "+latent@model=gamma")],
    "latent.name must be beta": [(*VAE, "latent=beta", "latent.name=von_mises"), (*VAE, "latent=beta", "latent.name=beta_10")],
    "methods has 'rsvi', which is": [(*CROSS, "methods=[{name: rsvi, _target_: irg_experiments.estimators.Implicit}]")],
    "methods has rsvi twice": [
        (*CROSS, "methods=[rsvi,implicit,{name: rsvi, augmentation: 1}]"),
        (*VAE, "gradient_variance.methods=[rsvi,rsvi]"),
    ],
    "leave out one of the two": [(*CROSS, "method=rsvi", "methods=[implicit]")],
    "key of training 'stepss'. Did you mean steps?": [("training={stepss: 3}",), ("+training={stepss: 3}",)],
    "Unknown option group 'data@model'. Did you mean data?": [("data@model=bars",)],
    "Unknown key of budgets.smoke 'foo'": [("budgets.smoke.foo=3",), ("+budgets.smoke.foo=3",)],
    "Unknown key of budgets.mine 'foo'": [("+budgets.mine={foo: 3}",)],
    "method has no options": [(*LDA, "method=pathwise_omt", f"{sign}method.foo=1") for sign in ("", "+")],
    "of data.recommended 'foo'": [("data.recommended.foo=1",), ("+data.recommended.foo=1",)],
    "of data 'recommended'": [(*VAE, "+data.recommended.topics=1")],
    "of hydra 'foo'": [("hydra.foo=1",)],
    "'hydra.job.foo'": [("+hydra.job.foo=1",), ("++hydra.job.foo=1",)],
    "'hydra.foo'": [("+hydra.foo=1",)],
    "latent goes with experiment=vae": [(*LDA, "latent.dim=3"), ("-m", "experiment=vae,lda", "latent.dim=2")],
    "error: seed=abc: seed must be": [("-m", "seed=0,abc")],
    "error: method.augmentation=abc: method.augmentation must be": [("-m", "method=rsvi", "method.augmentation=1,abc")],
    "augmentation=1 seed=-1: seed": [("-m", "method=rsvi", "method.augmentation=1,2", "seed=0,-1,2")],
    "and at most 1000000000, not 10000000000": [
        ("training.steps=10000000000",),
        ("training.prior_burn_in_steps=10000000000",),
        (*CROSS, "von_mises.replicates=10000000000"),
        (*ACCURACY, "measurement.elements=10000000000"),
    ],
    "of at most 1e6": [
        (*CROSS, "von_mises.concentration=1e30"),
        (*CROSS, "von_mises.sweep=[1.0,1e30]"),
        (*CROSS, "dirichlet.sweep=[1.0,1e30]"),
        (*CROSS, "dirichlet.prior=1e30"),
    ],
    "measurement.blocks must divide dirichlet.replicates": [(*CROSS, "measurement.blocks=3")],
    "measurement.blocks must divide von_mises.replicates": [(*CROSS, "von_mises.replicates=21")],
    "knn_neighbours must be at most 100": [(*VAE, "evaluation.knn_neighbours=101")],
    "Unknown key": [
        ("methd=implicit",),
        ("trainin.steps=3",),
        ("learning_rate=1",),
        ("training.stps=3",),
        ("+training.foo=1",),
        ("+foo=1",),
        ("training.steps.foo=5",),
        (*LDA, "+model.foo=1"),
        (*LDA, "+data.foo=1"),
        (*VAE, "+latent.foo=1"),
        (*VAE, "latent=gamma", "latent.dimm=3"),
        (*CROSS, "+von_mises.foo=1"),
        (*ACCURACY, "+measurement.foo=1"),
    ],
    "latent": [(*LDA, "latent=gamma"), ("~latent",), ("latent=nonsense",)],
    "method": [
        ("method=implict",),
        ("method=null",),
        ("method=all",),
        ("~method",),
        ("method=[implicit,rsvi]",),
        ("method={name: rsvi}",),
        ("method.name=5",),
        ("method=rsvi", "method.name=a/b"),
        ("method=explicit",),
        ("method=measure_valued",),
        ("model=lda", "method=svi"),
        ("model=lda_svi", "method=implicit"),
        (*VAE, "latent=von_mises", "method=pathwise_omt"),
        (*VAE, "method=svi"),
        (*VAE, "method=measure_valued"),
        (*VAE, "gradient_variance.methods=[nonsense]"),
        (*CROSS, "methods=implicit"),
        (*CROSS, "methods=[nonsense]"),
        (*CROSS, "methods=[5]"),
        (*CROSS, "methods=[{name: rsvi, foo: 5}]"),
        (*CROSS, "method=explicit"),
        (*ACCURACY, "method=rsvi"),
    ],
    "augmentation": [
        ("method=rsvi", f"method.augmentation={value}") for value in ("abc", "1e9", "-1", "1.5", "null", "true", "100000")
    ]
    + [("method=rsvi", "~method.augmentation", "+method.augmentations=1")],
    "correction": [("method=rsvi", f"method.correction={value}") for value in ("maybe", "1", "null")],
    "baseline": [
        (f"method={method}", f"method.baseline={value}")
        for method in ("score_function", "rsvi", "generalized")
        for value in ("abc", "5", "null", "leave_one_out", "constant")
    ]
    + [("method=rsvi", "method.correction=false", "method.baseline=auto")]
    + [(*CROSS, "methods=[{name: rsvi, baseline: leave_one_out}]"), (*CROSS, "method=rsvi", "method.baseline=leave_one_out")],
    "needs at least 2, not 1. Raise training.num_samples, or choose another option, such as baseline=moving_average.": [
        ("method=rsvi", "method.baseline=leave_one_out"),
        (*VAE, "latent=gamma", "method=generalized", "method.baseline=leave_one_out"),
        ("gradient_variance.methods=[{name: rsvi, baseline: leave_one_out}]",),
        (*VAE, "latent=gamma", "gradient_variance.methods=[{name: rsvi, baseline: leave_one_out}]"),
    ],
    "needs at least 3, not 1. Raise training.num_samples, or choose another option, such as control_variate=false.": [
        ("method=implicit", "method.control_variate=true"),
    ],
    "method=implicit with these options cannot serve objective=iwae": [
        (*VAE, "latent=gamma", "objective=iwae", "method.control_variate=true", "training.num_samples=5"),
    ],
    "control_variate": [("method=implicit", f"method.control_variate={value}") for value in ("1", "maybe", "null")],
    "constant": [
        ("method=rsvi", "method.baseline=constant", f"method.constant={value}")
        for value in ("abc", "nan", "inf", "true", "[1]")
    ]
    + [("method=generalized", "method.constant=5"), ("method=score_function", "method.baseline=none", "method.constant=5")],
    "method.offset": [(*SVI, f"method.offset={value}") for value in ("0", "nan", "abc", "null")],
    "method.decay": [(*SVI, f"method.decay={value}") for value in ("0", "1.1", "null")],
    "method.prior": [(*SVI, f"method.prior={value}") for value in ("learn", "null", "true")],
    "model.document_prior": [(*SVI, f"model.document_prior={value}") for value in ("0", "abc", "[1]")],
    "model.topic_prior": [(*SVI, "model.topic_prior=-1")],
    "decay": [
        (f"method={method}", f"method.decay={value}")
        for method in ("score_function", "rsvi", "generalized")
        for value in ("1", "-0.1", "nan", "abc")
    ],
    "data": [
        ("data=newsgroup",),
        ("data=null",),
        ("~data",),
        ("data=digits",),
        (*VAE, "data=bars"),
        ("data.root=5",),
        ("data.root=null",),
        (*ACCURACY, "data=bars"),
        (*ACCURACY, "data.root=x"),
    ],
    "data.num_words": [("data=rcv1_subset", f"data.num_words={value}") for value in ("0", "1.5", "many", "null")],
    "data=newsgroups": [("data=rcv1_subset", "data.root=nowhere")],
    "name": [
        ("data.name=../../x",),
        (f"data.name={'x' * 300}",),
        ("model.name=[1]",),
        ("data.name=''",),
        (*VAE, "latent.name=.hidden"),
    ],
    "model.hidden": [
        (f"model.hidden={value}",) for value in ("[]", "abc", "5", "[-1]", "[1.5]", "null", "[0]", "[true]", "[[1]]")
    ],
    "model.limits": [
        (*experiment, f"model.limits={value}")
        for experiment in (LDA, VAE)
        for value in (
            "5",
            "[1,2,3]",
            "[nan,1]",
            "null",
            "[1e3,1e-3]",
            "[-1,1]",
            "[1]",
            "[0,1e3]",
            "abc",
            "[1,inf]",
            "[1e-300,1e300]",
        )
    ],
    "model.parameterization must be natural or location_precision": [
        (*VAE, f"model.parameterization={value}") for value in ("softplus", "null", "1")
    ],
    "model.weights must be glorot_normal or fan_in": [(*VAE, f"model.weights={value}") for value in ("uniform", "null")],
    "model.code_scale": [(*VAE, f"model.code_scale={value}") for value in ("0", "-1", "nan", "inf", "abc", "null")],
    "precision must be highest, high or medium": [(*VAE, f"precision={value}") for value in ("lowest", "null", "32", "[high]")],
    "data.validation must be a whole number from 0 to 1496": [
        (*VAE, f"data.validation={value}") for value in ("-1", "1497", "0.1", "null", "all")
    ],
    "data.validation must be a whole number from 0 to 59999": [("experiment=vae", "data=mnist", "data.validation=60000")],
    "evaluation.nll_samples_more": [(*VAE, f"evaluation.nll_samples_more={value}") for value in ("-1", "0.5", "null")],
    "model.topics": [(f"model.topics={value}",) for value in ("null", "0", "-1", "1.5", "abc", "true")] + [("~model.topics",)],
    "topics must be from 1 to 25, the number of words in the vocabulary, not 26": [
        ("model.topics=26",),
        ("model=lda_svi", "method=svi", "model.topics=26"),
    ],
    "method=svi cannot train model=lda: it trains model=lda_svi. Choose that, or another method": [("method=svi",)],
    "method=implicit cannot train model=lda_svi: it trains model=lda or ln_lda. Choose that, or method=svi": [
        ("model=lda_svi",)
    ],
    "gradient_variance.methods must be empty": [("model=lda_svi", "method=svi", "gradient_variance.methods=[implicit]")],
    "topics must be from 2 to 25": [("model=ln_lda", "model.topics=1")],
    "model=ln_lda. Methods that can": [("model=ln_lda", f"method={name}") for name in ("rsvi", "measure_valued")],
    "model.prior_initial": [(f"model.prior_initial={value}",) for value in ("abc", "nan", "0", "-1", "inf", "null")],
    "model": [
        ("model=nonsense",),
        ("model=vae",),
        (*VAE, "model=lda"),
        ("model=null",),
        ("~model",),
    ],
    "model._target_ must be irg_experiments.models.lda.LDA, that of model=lda, not 'math.pi'": [("model._target_=math.pi",)],
    "training": [("training=5",), ("training=null",), ("~training",), ("training=[1]",)],
    "training.steps": [(f"training.steps={value}",) for value in ("0", "-1", "1e3", "abc", "null", "true", "[1]")]
    + [("~training.steps",)],
    "training.learning_rate": [
        (f"training.learning_rate={value}",) for value in ("0", "-1", "nan", "inf", "fast", "null", "true")
    ],
    "training.num_samples": [("training.num_samples=null",), (*SVI, "training.num_samples=1")],
    "data=bars recommends no number of topics: set one, such as model.topics=20": [("model.topics=null",)],
    "prior_burn_in_steps has no effect with method.prior=fixed": [(*SVI, "training.prior_burn_in_steps=5")],
    "a number from 1.0e-6 to 1.0e6": [(*SVI, f"model.{name}_prior=1e-300") for name in ("document", "topic")],
    "training.learning_rate must be a number for model=lda, not null": [("training.learning_rate=null",)],
    "no meaning": [(*SVI, "training.learning_rate=1e-3")],
    "training.batch_size": [("training.batch_size=0",), ("training.batch_size=1.5",)],
    "training.annealing": [(*VAE, f"training.annealing={value}") for value in ("slow", "null", "5")],
    "training.patience": [(*VAE, "training.patience=0")],
    "knn_labels": [(*VAE, f"evaluation.knn_labels={value}") for value in ("abc", "[0]", "[-5]", "5", "null", "[100000]")],
    "evaluation.nll_samples": [(*VAE, f"evaluation.nll_samples={value}") for value in ("0", "abc", "1e3")],
    "gradient_variance": [
        (*VAE, f"gradient_variance.methods={value}") for value in ("implicit", "5", "[measure_valued]", "[[implicit]]")
    ]
    + [(*VAE, "gradient_variance.repeats=1")]
    + [(*LDA, f"gradient_variance.methods={value}") for value in ("implicit", "[explicit]", "[{name: rsvi, augmentation: -1}]")]
    + [(*LDA, "model=ln_lda", "gradient_variance.methods=[explicit,rsvi]")],
    "objective": [
        *((*VAE, f"objective={value}") for value in ("iwea", "null", "5", "[iwae]", "{name: iwae}")),
        (*LDA, "objective=elbo"),
        (*VAE, "objective.name=iwae"),
        (*VAE, "gradient_variance.objectives=iwae"),
        (*VAE, "gradient_variance.objectives=[nonsense]"),
        (*VAE, "gradient_variance.objectives=[{name: iwae, foo: 1}]"),
    ],
    "cannot serve objective=iwae, whose gradient flows through the Gamma samples of latent=gamma alone. "
    "Methods that can: implicit, pathwise_omt.": [
        *((*VAE, "latent=gamma", "objective=iwae", f"method={name}") for name in NOT_PATHWISE),
        (*VAE, "latent=gamma", "method=rsvi", "method.correction=false", "objective=iwae"),
        (*VAE, "latent=gamma", "objective=iwae", "gradient_variance.methods=[rsvi]"),
    ],
    "gradient_variance.methods=rsvi cannot serve gradient_variance.objectives=stl, whose gradient flows through the VonMises "
    "samples of latent=von_mises alone. Methods that can: implicit": [
        (*VAE, "latent=von_mises", "gradient_variance.objectives=[stl]"),
        (*VAE, "latent=von_mises", "gradient_variance={objectives: [elbo, stl, iwae], methods: [implicit, rsvi]}"),
    ],
    "gradient_variance.objectives are measured by no method: add gradient_variance.methods=[implicit].": [
        (*VAE, "latent=normal", "gradient_variance.objectives=[stl,iwae]"),
    ],
    "method=score_function cannot serve objective=stl": [(*VAE, "objective=stl", "method=score_function")],
    "method=rsvi cannot serve objective=dreg": [(*VAE, "latent=von_mises", "objective=dreg", "method=rsvi")],
    "latent.dim": [(*VAE, f"latent.dim={value}") for value in ("0", "-1", "1.5", "true", "abc", "null")],
    "latent.dim must be 6, the dimensions of latent.parts together, or null, not 5.": [
        (*VAE, "latent=product", "latent.dim=5"),
        (*VAE, "latent=product", "latent.parts=[von_mises:1,normal:3,beta:2]", "latent.dim=5"),
    ],
    "latent.dim must be a whole number": [(*VAE, "latent=product", f"latent.dim={value}") for value in ("0", "x", "[6]")],
    "latent.parts must be a list of latent spaces with their dimensions, such as [von_mises:1, normal:3, beta:2], not": [
        (*VAE, "latent=product", f"latent.parts={value}")
        for value in (
            "5",
            "normal:2",
            "[]",
            "[normal]",
            "[normal:0]",
            "[normal:-1]",
            "[normal:1.5]",
            "[normal:2,5]",
            "[:2]",
            "[{name: normal}]",
            "[{name: normal, dim: 0}]",
        )
    ],
    "Unknown latent 'nonsense'": [(*VAE, "latent=product", "latent.parts=[nonsense:2]")],
    "parts": [(*VAE, "latent=normal", "+latent.parts=[normal:2]"), (*VAE, "latent=normal", "latent.parts=[normal:2]")],
    "latent.parts[1].rate must be a number from 1.0e-6": [
        (*VAE, "latent=product", "latent.parts=[normal:1,{name: gamma, dim: 1, rate: 0}]")
    ],
    "cannot differentiate the Blockwise samples of latent=product. Methods that can: implicit, score_function.": [
        (*VAE, "latent=product", f"method={name}") for name in ("explicit", "rsvi")
    ],
    "latent.concentration": [(*VAE, "latent=gamma", f"latent.concentration={value}") for value in ("abc", "0", "-1", "nan")],
    "latent.rate": [(*VAE, "latent=gamma", "~latent.rate"), (*VAE, "latent=gamma", "latent.rate=0")],
    "measurement": [
        (*CROSS, "measurement.dtype=float16"),
        (*CROSS, "measurement.points=0"),
        (*ACCURACY, "measurement.elements=1"),
        (*CROSS, "measurement.compiled=all"),
    ],
    "measurement.subtracted must be a list of nothing, mean and best, each once at most": [
        (*CROSS, f"measurement.subtracted={value}") for value in ("[]", "mean", "[mean,mean]", "[median]", "null")
    ],
    "dirichlet.constant must be joint, notebook or none": [(*CROSS, f"dirichlet.constant={value}") for value in ("5", "null")],
    "a positive number of at most 1e6, or a list of different ones": [
        (*CROSS, f"von_mises.concentration={value}") for value in ("0", "[]", "[1,0]", "[1,1.0]", "abc", "null")
    ],
    "sweep": [(*CROSS, f"dirichlet.sweep={value}") for value in ("[3,1]", "5", "[-1,1]")],
    "replicates": [(*CROSS, "von_mises.replicates=1")],
    "is several runs: add -m": [("+sweep=lda_table",)],
    "Unknown sweep 'lda_tabel'. Did you mean lda_table or vae_table?": [("-m", "+sweep=lda_tabel")],
    "No row of +sweep=lda_table": [("-m", "+sweep=lda_table", "method=knowles")],
    "+sweep is given 2 times": [("-m", "+sweep=lda_table", "+sweep=lda_table")],
    "several values": [("seed=0,1",), ("seed=range(0,3)",)],
    "key=value": [("lda",), ("mnist",), ("=3",), ("-",)],
    "option": [("--config-name", "foo"), ("--foo",), ("-x",)],
    "--cfg": [
        ("--resolve",),
        ("--cfg", "nonsense"),
        ("-c",),
        ("--cfg", "hydra", "--resolve"),
        ("-m", "--cfg", "job", "seed=0,1"),
    ],
    "/proc/foo": [("hydra.run.dir=/proc/foo",), ("-m", "hydra.sweep.dir=/proc/foo", "seed=0,1")],
    "_target_": [
        (*line, f"{section}._target_=os.mkdir", f"+{section}.path=called")
        for line, section in (
            (LDA, "method"),
            (LDA, "model"),
            (LDA, "data"),
            (VAE, "latent"),
            ((*CROSS, "method=implicit"), "method"),
        )
    ],
    "--shell-completion": [("-sc", "install=foo"), ("-sc", "foo")],
    "--config-dir": [("--config-dir", "no-such-folder"), ("--config-dir", str(Path(__file__).parent))],
    "foo": [("--cfg", "job", "training.foo=1")],
}

CASES = [(word, arguments) for word, lines in BAD.items() for arguments in lines]


def test_there_are_enough_of_them():
    assert len(CASES) >= 150


def test_an_empty_variable_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("IRG_DATA", "")
    monkeypatch.setattr(sys, "argv", ["irg-run", "data=bars"])
    with pytest.raises(SystemExit) as exit_:
        run()
    assert exit_.value.code == 2
    message = "The environment variable IRG_DATA, which gives data.root, is empty: unset it or give it a value."
    assert capfd.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(("word", "arguments"), CASES, ids=[" ".join(arguments)[:60] for _, arguments in CASES])
def test_one_line_and_exit_code_2(
    word: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    smoke = () if any(it != "-m" and it.startswith(("budget=", "~experiment", "-")) for it in arguments) else ("budget=smoke",)
    monkeypatch.setattr(sys, "argv", ["irg-run", *arguments, *smoke])
    with pytest.raises(SystemExit) as exit_:
        run()
    printed = capfd.readouterr()
    assert exit_.value.code == 2, printed.err
    (line,) = printed.err.splitlines()
    assert re.match(r"error: .*[.…?]$", line), line
    assert word in line
    assert not list(tmp_path.iterdir())
