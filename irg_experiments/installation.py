"""What is installed. The core needs torch alone; the commands need all dependencies of the package."""

import importlib.util

from irg_experiments.errors import UserError

# the module that each dependency brings
DEPENDENCIES = {
    "hydra-core": "hydra",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "omegaconf": "omegaconf",
    "pooch": "pooch",
    "pydantic": "pydantic",
    "rich": "rich",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "tensorboard": "tensorboard",
    "torch": "torch",
    "torchvision": "torchvision",
}


def is_installed(module: str) -> bool:
    """Whether a module can be found; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it belongs to
        return False


def require_dependencies(command: str) -> None:
    """Raises UserError if a dependency is missing; ``command`` is what the user typed."""
    missing = [package for package, module in DEPENDENCIES.items() if not is_installed(module)]
    if missing:
        raise UserError(f"{command} needs packages that are not installed: pip install {' '.join(missing)}")
