"""A laboratory Huawei USG: `Box` with all its commands."""

from lab.devices.huawei import views
from lab.devices.huawei.box import Box

__all__ = ["Box", "views"]
