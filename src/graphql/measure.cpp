#include "graphql/measure.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace gyre::graphql {
namespace {

struct Size {
  std::size_t depth = 0, aliases = 0, fields = 0;
};

// Each fragment is measured once, so a few lines that spread to billions of fields cost as much as a few lines.
class Measure {
 public:
  Measure(const ast::Document& document, std::size_t most) : most_(most) {
    for (const auto& def : document.definitions)
      if (def.kind == ast::DefinitionKind::fragment) fragments_[def.name.text] = &def;
  }

  Size of(const ast::SelectionSet& set) {
    Size out;
    // A chain of spreads goes on the stack as selections do, so it counts as depth too. What is deeper than anybody may
    // go needs no exact answer.
    if (level_ >= most_) return {most_, 0, 0};
    ++level_;
    for (const auto& node : set.items) {
      Size inside;
      if (node.kind == ast::SelectionKind::field) {
        if (node.set) inside = of(*node.set);
        ++inside.depth;
        ++inside.fields;
        if (node.alias) ++inside.aliases;
      } else if (node.kind == ast::SelectionKind::inline_fragment) {
        inside = of(*node.set);
      } else {
        inside = of_fragment(node.name.text);
      }
      out.depth = std::max(out.depth, inside.depth);
      out.aliases = add(out.aliases, inside.aliases);
      out.fields = add(out.fields, inside.fields);
    }
    --level_;
    return out;
  }

 private:
  Size of_fragment(std::string_view name) {
    const auto found = fragments_.find(name);
    if (found == fragments_.end()) return {};
    // A cycle is measured as nothing: validation refuses it.
    const auto [known, is_new] = sizes_.try_emplace(name);
    if (is_new) {
      const auto size = of(*found->second->set);
      sizes_[name] = size;
      return size;
    }
    return known->second;
  }

  static std::size_t add(std::size_t left, std::size_t right) {
    constexpr std::size_t enough = std::size_t{1} << 40;
    return std::min(enough, left + right);
  }

  std::size_t most_, level_ = 0;
  std::map<std::string_view, const ast::Definition*> fragments_;
  std::map<std::string_view, Size> sizes_;
};

}  // namespace

std::optional<GraphError> over_limit(const ast::Document& document, const Limits& limits) {
  Measure measure(document, limits.nesting_max + limits.depth_max);
  for (const auto& def : document.definitions) {
    if (!def.executable()) continue;  // fragments too: one that nothing spreads is walked by validation all the same
    const auto size = measure.of(*def.set);
    if (size.depth > limits.depth_max)
      return refusal(Reason::graphql_too_deep, {{"max", std::to_string(limits.depth_max)}});
    if (size.aliases > limits.aliases_max)
      return refusal(Reason::graphql_too_many_aliases,
                     {{"count", std::to_string(size.aliases)}, {"max", std::to_string(limits.aliases_max)}});
    if (size.fields > limits.cost_max)
      return refusal(Reason::graphql_too_costly, {{"max", std::to_string(limits.cost_max)}});
  }
  return std::nullopt;
}

}  // namespace gyre::graphql
