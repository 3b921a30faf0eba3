#include "graphql/overlap.hpp"

#include <algorithm>

#include "graphql/printer.hpp"

namespace gyre::graphql {
namespace {

bool types_conflict(const Type& left, const Type& right) {
  if (left.kind == Kind::list || right.kind == Kind::list)
    return left.kind != right.kind || types_conflict(*left.of, *right.of);
  if (left.kind == Kind::non_null || right.kind == Kind::non_null)
    return left.kind != right.kind || types_conflict(*left.of, *right.of);
  return (left.is_leaf() || right.is_leaf()) && &left != &right;
}

const ast::Value* find_argument(const ast::List<ast::Argument>& list, std::string_view name) {
  const ast::Value* out = nullptr;  // the last of that name
  for (const auto& argument : list)
    if (argument.name.text == name) out = argument.value;
  return out;
}

bool same_arguments(const ast::Selection& left, const ast::Selection& right) {
  if (left.arguments.size() != right.arguments.size()) return false;
  for (const auto& argument : left.arguments) {
    const auto* other = find_argument(right.arguments, argument.name.text);
    if (!other || print(*argument.value, true) != print(*other, true)) return false;
  }
  return true;
}

}  // namespace

const std::vector<Overlap::Entry>* Overlap::Collected::find(std::string_view key) const {
  if (places.empty()) {  // few fields: no index was made
    for (const auto& [name, entries] : fields)
      if (name == key) return &entries;
    return nullptr;
  }
  const auto found = places.find(key);
  return found == places.end() ? nullptr : &fields[found->second].second;
}

void Overlap::check(const Type* parent, const ast::SelectionSet& set) {
  Conflicts conflicts;
  const auto& all = collected(parent, set);
  within(conflicts, all);
  for (std::size_t i = 0; i < all.fragments.size(); ++i) {
    fields_and_fragment(conflicts, false, all, all.fragments[i]);
    for (std::size_t j = i + 1; j < all.fragments.size(); ++j)
      fragments(conflicts, false, all.fragments[i], all.fragments[j]);
  }
  for (auto& conflict : conflicts) {
    auto at = std::move(conflict.left);
    at.insert(at.end(), conflict.right.begin(), conflict.right.end());
    report_("Fields \"" + std::string(conflict.key) + "\" conflict because " + conflict.reason +
                ". Use different aliases on the fields to fetch both if this was intentional.",
            std::move(at));
  }
}

const Overlap::Collected& Overlap::collected(const Type* parent, const ast::SelectionSet& set) {
  auto& made = cache_[&set];
  if (!made) {
    made = std::make_unique<Collected>();
    collect(parent, set, *made);
  }
  return *made;
}

const Overlap::Collected& Overlap::collected(const ast::Definition& fragment) {
  return collected(names_.resolve(*fragment.condition), *fragment.set);
}

void Overlap::collect(const Type* parent, const ast::SelectionSet& set, Collected& out) {
  constexpr std::size_t index_from = 32;
  if (out.fields.empty()) out.fields.reserve(set.items.size());
  for (const auto& node : set.items) {
    switch (node.kind) {
      case ast::SelectionKind::field: {
        const bool has_fields = parent && (parent->kind == Kind::object || parent->kind == Kind::interface);
        const Entry entry{parent, &node, has_fields ? parent->field(node.name.text) : nullptr};
        if (const auto* known = out.find(node.key())) {
          const_cast<std::vector<Entry>*>(known)->push_back(entry);
          break;
        }
        out.fields.push_back({node.key(), {entry}});
        if (out.fields.size() == index_from)
          for (std::size_t i = 0; i < out.fields.size(); ++i) out.places.emplace(out.fields[i].first, i);
        else if (out.fields.size() > index_from)
          out.places.emplace(node.key(), out.fields.size() - 1);
        break;
      }
      case ast::SelectionKind::spread:
        if (std::find(out.fragments.begin(), out.fragments.end(), node.name.text) == out.fragments.end())
          out.fragments.push_back(node.name.text);
        break;
      case ast::SelectionKind::inline_fragment:
        collect(node.condition ? names_.resolve(*node.condition) : parent, *node.set, out);
        break;
    }
  }
}

void Overlap::within(Conflicts& out, const Collected& all) {
  for (const auto& [key, entries] : all.fields)
    for (std::size_t i = 0; i < entries.size(); ++i)
      for (std::size_t j = i + 1; j < entries.size(); ++j) {
        if (!spend()) return;
        compare(out, false, key, entries[i], entries[j]);
      }
}

void Overlap::between(Conflicts& out, bool exclusive, const Collected& left, const Collected& right) {
  for (const auto& [key, entries] : left.fields) {
    const auto* others = right.find(key);
    if (!others) continue;
    for (const auto& entry : entries)
      for (const auto& other : *others) {
        if (!spend()) return;
        compare(out, exclusive, key, entry, other);
      }
  }
}

void Overlap::fields_and_fragment(Conflicts& out, bool exclusive, const Collected& fields, std::string_view name) {
  const auto* fragment = find_fragment_(name);
  if (!fragment || !spend()) return;
  const auto& other = collected(*fragment);
  if (&fields == &other) return;
  between(out, exclusive, fields, other);
  for (const auto further : other.fragments) {
    if (compared(further, name, exclusive)) continue;
    remember(further, name, exclusive);
    fields_and_fragment(out, exclusive, fields, further);
  }
}

void Overlap::fragments(Conflicts& out, bool exclusive, std::string_view left, std::string_view right) {
  if (left == right || compared(left, right, exclusive) || !spend()) return;
  remember(left, right, exclusive);
  const auto* first = find_fragment_(left);
  const auto* second = find_fragment_(right);
  if (!first || !second) return;
  const auto& fields = collected(*first);
  const auto& others = collected(*second);
  between(out, exclusive, fields, others);
  for (const auto further : others.fragments) fragments(out, exclusive, left, further);
  for (const auto further : fields.fragments) fragments(out, exclusive, further, right);
}

void Overlap::compare(Conflicts& out, bool exclusive, std::string_view key, const Entry& left, const Entry& right) {
  // Two fields of different objects are never both in one answer; only their shapes must fit.
  exclusive = exclusive || (left.parent != right.parent && left.parent && right.parent &&
                            left.parent->kind == Kind::object && right.parent->kind == Kind::object);
  const auto conflict = [&](std::string reason) {
    out.push_back({key, std::move(reason), {left.node->at}, {right.node->at}});
  };
  if (!exclusive) {
    if (left.node->name.text != right.node->name.text)
      return conflict('"' + std::string(left.node->name.text) + "\" and \"" + std::string(right.node->name.text) +
                      "\" are different fields");
    if (!same_arguments(*left.node, *right.node)) return conflict("they have differing arguments");
  }
  if (left.field && right.field && types_conflict(*left.field->type, *right.field->type))
    return conflict("they return conflicting types \"" + left.field->type->text() + "\" and \"" +
                    right.field->type->text() + '"');
  if (!left.node->set || !right.node->set) return;
  Conflicts deeper;
  const auto& fields = collected(left.field ? &left.field->type->named() : nullptr, *left.node->set);
  const auto& others = collected(right.field ? &right.field->type->named() : nullptr, *right.node->set);
  between(deeper, exclusive, fields, others);
  for (const auto name : others.fragments) fields_and_fragment(deeper, exclusive, fields, name);
  for (const auto name : fields.fragments) fields_and_fragment(deeper, exclusive, others, name);
  for (const auto first : fields.fragments)
    for (const auto second : others.fragments) fragments(deeper, exclusive, first, second);
  if (deeper.empty()) return;
  Conflict joined{key, {}, {left.node->at}, {right.node->at}};
  for (auto& one : deeper) {
    if (!joined.reason.empty()) joined.reason += " and ";
    joined.reason += "subfields \"" + std::string(one.key) + "\" conflict because " + one.reason;
    joined.left.insert(joined.left.end(), one.left.begin(), one.left.end());
    joined.right.insert(joined.right.end(), one.right.begin(), one.right.end());
  }
  out.push_back(std::move(joined));
}

bool Overlap::compared(std::string_view left, std::string_view right, bool exclusive) {
  const auto found = pairs_.find(std::minmax(left, right));
  // What was compared as not exclusive was compared more strictly.
  return found != pairs_.end() && (exclusive || !found->second);
}

void Overlap::remember(std::string_view left, std::string_view right, bool exclusive) {
  pairs_[std::minmax(left, right)] = exclusive;
}

}  // namespace gyre::graphql
