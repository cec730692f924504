"""This program calibrates or checks a library by tables without their newest layouts, as the two runner programs do.

`hidden.py HOW_MANY FILE --model GGUF --journal FILE` calibrates, `hidden.py HOW_MANY FILE --model GGUF --golden JSON
--calibrated FILE` checks.
"""

from __future__ import annotations

import sys

from hoshikage._ffi import layouts

if __name__ == "__main__":
    hidden, *rest = sys.argv[1:]
    # The defaults of the functions that take the tables are these objects as they are when the modules are loaded.
    vars(layouts).update(
        MODEL_LAYOUTS=layouts.MODEL_LAYOUTS[: -int(hidden)], CONTEXT_LAYOUTS=layouts.CONTEXT_LAYOUTS[: -int(hidden)]
    )
    from hoshikage.runner import calibrate, check

    sys.exit((calibrate if "--journal" in rest else check).main(rest))
