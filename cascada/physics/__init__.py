"""Air-shower physics: primaries, columns, parametric showers and observables."""
