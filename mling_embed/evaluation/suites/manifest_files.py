"""What suites ask of the manifest that their files come from."""

from __future__ import annotations

import re

from mling_embed.corpora.manifests import Manifest


def revision_of(manifest: Manifest) -> str:
    """Return the commit in the address of a manifest's first file, or an empty string."""
    first = next((file.url for file in manifest.files() if file.url), "") or ""
    found = re.search(r"/([0-9a-f]{40})/", first)
    return found.group(1) if found else ""
