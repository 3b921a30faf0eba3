// The rule OverlappingFieldsCanBeMerged: fields that would stand under the same key of the answer must be the same.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graphql/ast.hpp"
#include "graphql/schema.hpp"

namespace gyre::graphql {

class Overlap {
 public:
  using FindFragment = std::function<const ast::Definition*(std::string_view)>;
  using Report = std::function<void(std::string message, std::vector<ast::Offset> at)>;

  Overlap(const Schema& schema, FindFragment find_fragment, Report report)
      : schema_(schema), names_(schema), find_fragment_(std::move(find_fragment)), report_(std::move(report)) {}

  void check(const Type* parent, const ast::SelectionSet& set);
  // The comparisons that one document may need are bounded: hostile ones need the square of their length.
  bool exhausted() const { return comparisons_ > comparisons_max; }

  static constexpr std::size_t comparisons_max = 250'000;

 private:
  struct Entry {
    const Type* parent;
    const ast::Selection* node;
    const Field* field;
  };
  struct Collected {
    std::vector<std::pair<std::string_view, std::vector<Entry>>> fields;
    std::unordered_map<std::string_view, std::size_t> places;
    std::vector<std::string_view> fragments;
    const std::vector<Entry>* find(std::string_view key) const;
  };
  struct Conflict {
    std::string_view key;
    std::string reason;
    std::vector<ast::Offset> left, right;
  };
  using Conflicts = std::vector<Conflict>;

  const Collected& collected(const Type* parent, const ast::SelectionSet& set);
  const Collected& collected(const ast::Definition& fragment);
  void collect(const Type* parent, const ast::SelectionSet& set, Collected& out);

  void within(Conflicts& out, const Collected& all);
  void between(Conflicts& out, bool exclusive, const Collected& left, const Collected& right);
  void fields_and_fragment(Conflicts& out, bool exclusive, const Collected& fields, std::string_view fragment);
  void fragments(Conflicts& out, bool exclusive, std::string_view left, std::string_view right);
  void compare(Conflicts& out, bool exclusive, std::string_view key, const Entry& left, const Entry& right);
  bool compared(std::string_view left, std::string_view right, bool exclusive);
  void remember(std::string_view left, std::string_view right, bool exclusive);
  bool spend() { return ++comparisons_ <= comparisons_max; }

  const Schema& schema_;
  TypeNames names_;
  FindFragment find_fragment_;
  Report report_;
  std::unordered_map<const ast::SelectionSet*, std::unique_ptr<Collected>> cache_;
  std::map<std::pair<std::string_view, std::string_view>, bool> pairs_;
  std::size_t comparisons_ = 0;
};

}  // namespace gyre::graphql
