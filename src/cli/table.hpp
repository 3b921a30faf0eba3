// Tables for people: columns aligned by the cells a terminal gives to each character (two for Hangul and other wide
// ones), lines cut and never wrapped on a narrow terminal, and nothing cut when the output is not a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::cli {

// Cells on a terminal; combining marks take none, East Asian wide characters two.
std::size_t display_width(std::string_view utf8);

// At most `cells` wide, the last one "…" when something was cut away.
std::string cut_to_width(std::string_view utf8, std::size_t cells);

// Control characters and broken UTF-8 replaced, so that a pod's name cannot steer the terminal.
std::string printable(std::string_view text);

enum class Tone { plain, good, waiting, bad, dim };

struct Cell {
  std::string text;
  Tone tone = Tone::plain;
};

class Table {
 public:
  struct Column {
    std::string title;
    bool to_the_right = false;    // numbers
    std::size_t least_width = 6;  // how far it may be cut before the line runs over the edge
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }

  // `width` 0: as wide as needed.
  std::string print(std::size_t width, bool color) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

std::string colored(std::string_view text, Tone tone, bool color);

}  // namespace gyre::cli
