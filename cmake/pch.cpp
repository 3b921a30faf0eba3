// The translation unit that carries the precompiled header; it holds nothing else.
