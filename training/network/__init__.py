"""Background Matting V2's two networks."""

from training.network.matting import BaseNetwork, BaseOutput, RefineNetwork, RefineOutput, build_base, build_refine

__all__ = ["BaseNetwork", "BaseOutput", "RefineNetwork", "RefineOutput", "build_base", "build_refine"]
