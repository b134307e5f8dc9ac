"""Docker's API over Flask: one blueprint a group; a view parses, calls the engine once and renders."""
