#include "graphql/validate.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "graphql/limits.hpp"
#include "graphql/overlap.hpp"
#include "graphql/printer.hpp"
#include "graphql/text.hpp"
#include "graphql/typed_walk.hpp"

namespace gyre::graphql {
namespace {

constexpr std::size_t errors_max = 100;

using NameSet = std::set<std::string_view>;

struct VariableUse {
  const ast::Value* node;
  const Type* type;
  bool has_default;
};

// Which variables one definition uses, and what is expected where.
class VariableUses : public TypedWalk<VariableUses> {
 public:
  explicit VariableUses(const Schema& schema) : TypedWalk(schema) {}
  void enter_variable_definition(const ast::VariableDefinition&) {}
  void enter_value(const ast::Value& value) {
    if (value.kind == ast::ValueKind::variable) uses.push_back({&value, input_type(), input_has_default()});
  }
  std::vector<VariableUse> uses;
};

// What a directive allows, from the schema or from the document itself.
struct DirectiveFacts {
  std::vector<std::string_view> locations, arguments;
  std::vector<std::pair<std::string_view, std::string>> required;  // argument and its type
  bool repeatable = false;
};

class Validator : public TypedWalk<Validator> {
 public:
  Validator(const Schema& schema, const ast::Document& document, const Leniency& leniency)
      : TypedWalk(schema),
        document_(document),
        leniency_(leniency),
        overlap_(
            schema, [this](std::string_view name) { return fragment(name); },
            [this](std::string message, std::vector<ast::Offset> at) { report(std::move(message), std::move(at)); }) {
    for (const auto& def : document.definitions) {
      if (def.kind == ast::DefinitionKind::operation) ++operations_;
      if (def.kind == ast::DefinitionKind::fragment) fragments_[def.name.text] = &def;
      if (!def.executable() && !def.extension && def.name && def.kind != ast::DefinitionKind::directive)
        defined_types_.push_back(def.name.text);
    }
  }

  GraphErrors run() {
    executable_definitions();
    walk(document_);
    no_unused_fragments();
    return std::move(errors_);
  }

  bool stopped() const { return stopped_; }

  // --- what the walk comes to; the calls are in the order of the reference's rules ---

  void enter_operation(const ast::Definition& node) {
    unique_operation_names(node);
    if (!node.name && operations_ > 1)
      report("This anonymous operation must be the only defined operation.", {node.at});
    single_field_subscriptions(node);
    unique_variable_names(node);
    unique_directives(node.directives);
  }

  void leave_operation(const ast::Definition& node) {
    const auto uses = variable_uses(node);
    no_undefined_variables(node, uses);
    no_unused_variables(node, uses);
    variables_in_allowed_position(node, uses);
  }

  void enter_fragment(const ast::Definition& node) {
    const auto* condition = names().resolve(*node.condition);
    if (condition && !condition->is_composite())
      report("Fragment \"" + std::string(node.name.text) + "\" cannot condition on non composite type \"" +
                 print(*node.condition) + "\".",
             {node.condition->at});
    const auto [known, is_new] = fragment_names_.emplace(node.name.text, node.name.at);
    if (!is_new)
      report("There can be only one fragment named \"" + std::string(node.name.text) + "\".",
             {known->second, node.name.at});
    fragment_cycles(node);
    unique_directives(node.directives);
  }

  void enter_type_system(const ast::Definition& node) {
    if (node.kind == ast::DefinitionKind::directive) return;
    unique_directives(node.directives,
                      &type_directives_[node.kind == ast::DefinitionKind::schema ? "" : node.name.text]);
  }

  void enter_described(const ast::List<ast::Directive>& directives) { unique_directives(directives); }

  void enter_variable_definition(const ast::VariableDefinition& node) {
    const auto* type = names().resolve(*node.type);
    if (type && !type->is_input())
      report(
          "Variable \"$" + std::string(node.name.text) + "\" cannot be non-input type \"" + print(*node.type) + "\".",
          {node.type->at});
    unique_directives(node.directives);
  }

  void enter_selection_set(const ast::SelectionSet& node) {
    overlap_.check(parent_type(), node);
    if (overlap_.exhausted() && !stopped_) {
      stopped_ = true;
      errors_ = {refusal(Reason::graphql_too_costly, {{"max", std::to_string(Overlap::comparisons_max)}})};
    }
  }

  void enter_field(const ast::Selection& node) {
    scalar_leafs(node);
    fields_on_correct_type(node);
    unique_directives(node.directives);
    unique_argument_names(node.arguments);
  }

  void leave_field(const ast::Selection& node) {
    if (!field()) return;
    for (const auto& wanted : field()->arguments) {
      if (!wanted.required() || given(node.arguments, wanted.name)) continue;
      report("Field \"" + field()->name + "\" argument \"" + wanted.name + "\" of type \"" + wanted.type->text() +
                 "\" is required, but it was not provided.",
             {node.at});
    }
  }

  void enter_spread(const ast::Selection& node) {
    const auto name = std::string(node.name.text);
    const auto* found = fragment(node.name.text);
    if (!found) report("Unknown fragment \"" + name + "\".", {node.name.at});
    const auto* condition = found ? names().resolve(*found->condition) : nullptr;
    if (condition && condition->is_composite() && parent_type() && !schema_.overlap(*condition, *parent_type()))
      report("Fragment \"" + name + "\" cannot be spread here as objects of type \"" + parent_type()->name +
                 "\" can never be of type \"" + condition->name + "\".",
             {node.at});
    unique_directives(node.directives);
  }

  void enter_inline_fragment(const ast::Selection& node) {
    if (node.condition) {
      const auto* condition = names().resolve(*node.condition);
      if (condition && !condition->is_composite())
        report("Fragment cannot condition on non composite type \"" + print(*node.condition) + "\".",
               {node.condition->at});
    }
    if (type() && type()->is_composite() && parent_type() && !schema_.overlap(*type(), *parent_type()))
      report("Fragment cannot be spread here as objects of type \"" + parent_type()->name +
                 "\" can never be of type \"" + type()->name + "\".",
             {node.at});
    unique_directives(node.directives);
  }

  void enter_directive(const ast::Directive& node, std::string_view location) {
    const auto* facts = directive_facts(node.name.text);
    const auto name = std::string(node.name.text);
    if (!facts)
      report("Unknown directive \"@" + name + "\".", {node.at});
    else if (!location.empty() &&
             std::find(facts->locations.begin(), facts->locations.end(), location) == facts->locations.end())
      report("Directive \"@" + name + "\" may not be used on " + std::string(location) + '.', {node.at});
    if (facts)
      for (const auto& argument : node.arguments) {
        if (std::find(facts->arguments.begin(), facts->arguments.end(), argument.name.text) != facts->arguments.end())
          continue;
        report("Unknown argument \"" + std::string(argument.name.text) + "\" on directive \"@" + name + "\"." +
                   did_you_mean(suggestions(argument.name.text, facts->arguments)),
               {argument.name.at});
      }
    in_directive_ = true;
    unique_argument_names(node.arguments);
  }

  void leave_directive(const ast::Directive& node) {
    in_directive_ = false;
    const auto* facts = directive_facts(node.name.text);
    if (!facts) return;
    for (const auto& [name, type] : facts->required)
      if (!given(node.arguments, name))
        report("Directive \"@" + std::string(node.name.text) + "\" argument \"" + std::string(name) + "\" of type \"" +
                   type + "\" is required, but it was not provided.",
               {node.at});
  }

  void enter_argument(const ast::Argument& node) {
    if (in_directive_ || argument() || !field() || !parent_type()) return;
    std::vector<std::string_view> known;
    for (const auto& wanted : field()->arguments) known.push_back(wanted.name);
    report("Unknown argument \"" + std::string(node.name.text) + "\" on field \"" + parent_type()->name + '.' +
               field()->name + "\"." + did_you_mean(suggestions(node.name.text, known)),
           {node.name.at});
  }

  void enter_value(const ast::Value& node) {
    if (!unfit_) values_of_correct_type(node);
    if (node.kind == ast::ValueKind::object) input_names_.emplace_back();
  }

  void leave_value(const ast::Value& node) {
    if (unfit_ == &node) unfit_ = nullptr;
    if (node.kind == ast::ValueKind::object) input_names_.pop_back();
  }

  void enter_object_field(const ast::ObjectField& node) {
    const auto name = std::string(node.name.text);
    if (!unfit_ && !input_type() && !leniency_.unknown_inputs) {
      const auto* object = parent_input_type() ? &parent_input_type()->named() : nullptr;
      if (object && object->kind == Kind::input) {
        std::vector<std::string_view> known;
        for (const auto& field : object->inputs) known.push_back(field.name);
        report("Field \"" + name + "\" is not defined by type \"" + object->name + "\"." +
                   did_you_mean(suggestions(node.name.text, known)),
               {node.name.at});
      }
    }
    const auto [known, is_new] = input_names_.back().emplace(node.name.text, node.name.at);
    if (!is_new) report("There can be only one input field named \"" + name + "\".", {known->second, node.name.at});
  }

  void enter_named_type(const ast::Type& node) {
    if (schema_.type(node.name) ||
        std::find(defined_types_.begin(), defined_types_.end(), node.name) != defined_types_.end())
      return;
    constexpr std::string_view standard[] = {
        "String",       "Int",         "Float",     "Boolean", "ID",
        "__Schema",     "__Directive", "__Type",    "__Field", "__DirectiveLocation",
        "__InputValue", "__EnumValue", "__TypeKind"};
    std::vector<std::string_view> known;
    if (type_system()) {
      known.assign(std::begin(standard), std::end(standard));
      if (std::find(known.begin(), known.end(), node.name) != known.end()) return;
    }
    for (const auto* type : schema_.types()) known.push_back(type->name);
    known.insert(known.end(), defined_types_.begin(), defined_types_.end());
    report("Unknown type \"" + std::string(node.name) + "\"." + did_you_mean(suggestions(node.name, known)), {node.at});
  }

 private:
  void report(std::string message, std::vector<ast::Offset> at) {
    if (stopped_) return;
    if (errors_.size() >= errors_max) {
      stopped_ = true;
      errors_.push_back({.message = "Too many validation errors, error limit reached. Validation aborted."});
      return;
    }
    auto& error = errors_.emplace_back();
    error.message = std::move(message);
    for (const auto offset : at) error.locations.push_back(location_of(document_.source, offset));
  }

  const ast::Definition* fragment(std::string_view name) const {
    const auto found = fragments_.find(name);
    return found == fragments_.end() ? nullptr : found->second;
  }

  static bool given(const ast::List<ast::Argument>& list, std::string_view name) {
    for (const auto& argument : list)
      if (argument.name.text == name) return true;
    return false;
  }

  // --- definitions ---

  void executable_definitions() {
    for (const auto& def : document_.definitions) {
      if (def.executable()) continue;
      const auto name = def.kind == ast::DefinitionKind::schema ? "schema" : '"' + std::string(def.name.text) + '"';
      report("The " + name + " definition is not executable.", {def.at});
    }
  }

  void unique_operation_names(const ast::Definition& node) {
    if (!node.name) return;
    const auto [known, is_new] = operation_names_.emplace(node.name.text, node.name.at);
    if (!is_new)
      report("There can be only one operation named \"" + std::string(node.name.text) + "\".",
             {known->second, node.name.at});
  }

  using Groups = std::vector<std::pair<std::string_view, std::vector<const ast::Selection*>>>;

  void collect_fields(const Type& root, const ast::SelectionSet& set, Groups& out, NameSet& seen) {
    const auto applies = [&](const ast::Type* condition) {
      if (!condition) return true;
      const auto* type = names().resolve(*condition);
      return type && (type == &root || (type->is_abstract() && schema_.is_subtype(*type, root)));
    };
    for (const auto& node : set.items) {
      if (excluded(node.directives)) continue;
      if (node.kind == ast::SelectionKind::field) {
        const auto found =
            std::find_if(out.begin(), out.end(), [&](const auto& group) { return group.first == node.key(); });
        if (found == out.end())
          out.push_back({node.key(), {&node}});
        else
          found->second.push_back(&node);
      } else if (node.kind == ast::SelectionKind::inline_fragment) {
        if (applies(node.condition)) collect_fields(root, *node.set, out, seen);
      } else if (seen.insert(node.name.text).second) {
        const auto* found = fragment(node.name.text);
        if (found && applies(found->condition)) collect_fields(root, *found->set, out, seen);
      }
    }
  }

  // @skip and @include whose answer stands in the document.
  static bool excluded(const ast::List<ast::Directive>& directives) {
    for (const auto& directive : directives)
      for (const auto& argument : directive.arguments) {
        if (argument.name.text != "if" || argument.value->kind != ast::ValueKind::boolean) continue;
        if (directive.name.text == (argument.value->text == "true" ? "skip" : "include")) return true;
      }
    return false;
  }

  void single_field_subscriptions(const ast::Definition& node) {
    const auto* root = schema_.root(ast::OperationKind::subscription);
    if (node.operation != ast::OperationKind::subscription || !root) return;
    Groups groups;
    NameSet seen;
    collect_fields(*root, *node.set, groups, seen);
    const auto who = node.name ? "Subscription \"" + std::string(node.name.text) + '"' : "Anonymous Subscription";
    if (groups.size() > 1) {
      std::vector<ast::Offset> extra;
      for (std::size_t i = 1; i < groups.size(); ++i)
        for (const auto* selection : groups[i].second) extra.push_back(selection->at);
      report(who + " must select only one top level field.", std::move(extra));
    }
    for (const auto& [key, nodes] : groups) {
      if (!nodes.front()->name.text.starts_with("__")) continue;
      std::vector<ast::Offset> at;
      for (const auto* selection : nodes) at.push_back(selection->at);
      report(who + " must not select an introspection top level field.", std::move(at));
    }
  }

  // --- fields ---

  void scalar_leafs(const ast::Selection& node) {
    if (!type()) return;
    const auto name = std::string(node.name.text);
    if (type()->named().is_leaf()) {
      if (node.set)
        report(
            "Field \"" + name + "\" must not have a selection since type \"" + type()->text() + "\" has no subfields.",
            {node.set->at});
    } else if (!node.set) {
      report("Field \"" + name + "\" of type \"" + type()->text() +
                 "\" must have a selection of subfields. Did you mean \"" + name + " { ... }\"?",
             {node.at});
    }
  }

  void fields_on_correct_type(const ast::Selection& node) {
    if (!parent_type() || field()) return;
    const auto name = node.name.text;
    auto hint = did_you_mean(types_with_field(*parent_type(), name), "to use an inline fragment on");
    if (hint.empty()) {
      std::vector<std::string_view> known;
      for (const auto& other : parent_type()->fields) known.push_back(other.name);
      hint = did_you_mean(suggestions(name, known));
    }
    report("Cannot query field \"" + std::string(name) + "\" on type \"" + parent_type()->name + "\"." + hint,
           {node.at});
  }

  // Types behind an abstract one that do have the field: those that help most often first, interfaces before objects.
  std::vector<std::string_view> types_with_field(const Type& abstract, std::string_view name) const {
    std::vector<const Type*> found;
    std::map<const Type*, int> uses;
    const auto add = [&](const Type* type) {
      if (uses[type]++ == 0) found.push_back(type);
    };
    if (abstract.is_abstract())
      for (const auto* object : abstract.objects) {
        if (!object->field(name)) continue;
        add(object);
        for (const auto* interface : object->types)
          if (interface->field(name)) add(interface);
      }
    std::stable_sort(found.begin(), found.end(), [&](const auto* a, const auto* b) {
      if (uses[a] != uses[b]) return uses[a] > uses[b];
      if (a->kind == Kind::interface && schema_.is_subtype(*a, *b)) return true;
      if (b->kind == Kind::interface && schema_.is_subtype(*b, *a)) return false;
      return natural_compare(a->name, b->name) < 0;
    });
    std::vector<std::string_view> out;
    for (const auto* type : found) out.push_back(type->name);
    return out;
  }

  void unique_argument_names(const ast::List<ast::Argument>& list) {
    if (list.size() < 2) return;
    std::vector<std::pair<std::string_view, std::vector<ast::Offset>>> groups;
    for (const auto& argument : list) {
      const auto found = std::find_if(groups.begin(), groups.end(),
                                      [&](const auto& group) { return group.first == argument.name.text; });
      if (found == groups.end())
        groups.push_back({argument.name.text, {argument.name.at}});
      else
        found->second.push_back(argument.name.at);
    }
    for (auto& [name, at] : groups)
      if (at.size() > 1) report("There can be only one argument named \"" + std::string(name) + "\".", std::move(at));
  }

  // --- fragments ---

  void no_unused_fragments() {
    if (stopped_ || fragments_.empty()) return;
    NameSet used;
    for (const auto& def : document_.definitions)
      if (def.kind == ast::DefinitionKind::operation)
        for (const auto* reached : reachable(def)) used.insert(reached->name.text);
    for (const auto& def : document_.definitions)
      if (def.kind == ast::DefinitionKind::fragment && !used.contains(def.name.text))
        report("Fragment \"" + std::string(def.name.text) + "\" is never used.", {def.at});
  }

  // The spreads in a selection set, in the order in which the reference finds them: outer ones first, later sets before
  // earlier ones.
  const std::vector<const ast::Selection*>& spreads(const ast::SelectionSet& set) {
    const auto [found, is_new] = spreads_.try_emplace(&set);
    auto& out = found->second;
    if (!is_new) return out;
    std::vector<const ast::SelectionSet*> waiting{&set};
    while (!waiting.empty()) {
      const auto* next = waiting.back();
      waiting.pop_back();
      for (const auto& node : next->items) {
        if (node.kind == ast::SelectionKind::spread)
          out.push_back(&node);
        else if (node.set)
          waiting.push_back(node.set);
      }
    }
    return out;
  }

  const std::vector<const ast::Definition*>& reachable(const ast::Definition& operation) {
    const auto [found, is_new] = reachable_.try_emplace(&operation);
    auto& out = found->second;
    if (!is_new || fragments_.empty()) return out;
    NameSet seen;
    std::vector<const ast::SelectionSet*> waiting{operation.set};
    while (!waiting.empty()) {
      const auto* set = waiting.back();
      waiting.pop_back();
      for (const auto* spread : spreads(*set)) {
        if (!seen.insert(spread->name.text).second) continue;
        if (const auto* reached = fragment(spread->name.text)) {
          out.push_back(reached);
          waiting.push_back(reached->set);
        }
      }
    }
    return out;
  }

  void fragment_cycles(const ast::Definition& node) {
    if (!cycle_seen_.insert(node.name.text).second) return;
    const auto& inside = spreads(*node.set);
    if (inside.empty()) return;
    cycle_places_[node.name.text] = cycle_path_.size();
    for (const auto* spread : inside) {
      const auto name = spread->name.text;
      const auto place = cycle_places_.find(name);
      cycle_path_.push_back(spread);
      if (place == cycle_places_.end()) {
        if (const auto* next = fragment(name)) fragment_cycles(*next);
      } else {
        std::string via;
        std::vector<ast::Offset> at;
        for (auto i = place->second; i < cycle_path_.size(); ++i) {
          at.push_back(cycle_path_[i]->at);
          if (i + 1 < cycle_path_.size())
            via += (via.empty() ? "\"" : ", \"") + std::string(cycle_path_[i]->name.text) + '"';
        }
        report("Cannot spread fragment \"" + std::string(name) + "\" within itself" +
                   (via.empty() ? "." : " via " + via + '.'),
               std::move(at));
      }
      cycle_path_.pop_back();
    }
    cycle_places_.erase(node.name.text);
  }

  // --- variables ---

  std::vector<VariableUse> variable_uses(const ast::Definition& operation) {
    auto out = own_uses(operation);
    for (const auto* reached : reachable(operation)) {
      const auto& more = own_uses(*reached);
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }

  const std::vector<VariableUse>& own_uses(const ast::Definition& definition) {
    auto& walk_done = uses_[&definition];
    if (!walk_done) {
      walk_done = std::make_unique<VariableUses>(schema_);
      walk_done->walk(definition);
    }
    return walk_done->uses;
  }

  static const ast::VariableDefinition* definition_of(const ast::Definition& operation, std::string_view name) {
    const ast::VariableDefinition* out = nullptr;  // the last of that name
    for (const auto& variable : operation.variables)
      if (variable.name.text == name) out = &variable;
    return out;
  }

  void unique_variable_names(const ast::Definition& node) {
    std::vector<std::pair<std::string_view, std::vector<ast::Offset>>> groups;
    for (const auto& variable : node.variables) {
      const auto found = std::find_if(groups.begin(), groups.end(),
                                      [&](const auto& group) { return group.first == variable.name.text; });
      if (found == groups.end())
        groups.push_back({variable.name.text, {variable.name.at}});
      else
        found->second.push_back(variable.name.at);
    }
    for (auto& [name, at] : groups)
      if (at.size() > 1) report("There can be only one variable named \"$" + std::string(name) + "\".", std::move(at));
  }

  void no_undefined_variables(const ast::Definition& node, const std::vector<VariableUse>& uses) {
    for (const auto& use : uses) {
      if (definition_of(node, use.node->text)) continue;
      const auto by = node.name ? " by operation \"" + std::string(node.name.text) + '"' : "";
      report("Variable \"$" + std::string(use.node->text) + "\" is not defined" + by + '.', {use.node->at, node.at});
    }
  }

  void no_unused_variables(const ast::Definition& node, const std::vector<VariableUse>& uses) {
    for (const auto& variable : node.variables) {
      const auto used = [&](const VariableUse& use) { return use.node->text == variable.name.text; };
      if (std::any_of(uses.begin(), uses.end(), used)) continue;
      const auto in = node.name ? " in operation \"" + std::string(node.name.text) + '"' : "";
      report("Variable \"$" + std::string(variable.name.text) + "\" is never used" + in + '.', {variable.at});
    }
  }

  void variables_in_allowed_position(const ast::Definition& node, const std::vector<VariableUse>& uses) {
    for (const auto& use : uses) {
      const auto* variable = definition_of(node, use.node->text);
      if (!variable || !use.type) continue;
      const auto* type = names().resolve(*variable->type);
      if (!type || allowed(*type, *variable, *use.type, use.has_default)) continue;
      report("Variable \"$" + std::string(use.node->text) + "\" of type \"" + type->text() +
                 "\" used in position expecting type \"" + use.type->text() + "\".",
             {variable->at, use.node->at});
    }
  }

  bool allowed(const Type& type, const ast::VariableDefinition& variable, const Type& place,
               bool place_has_default) const {
    if (place.kind != Kind::non_null || type.kind == Kind::non_null) return is_subtype_of(schema_, type, place);
    const bool has_value = variable.default_value && variable.default_value->kind != ast::ValueKind::null;
    return (has_value || place_has_default) && is_subtype_of(schema_, type, *place.of);
  }

  // --- directives ---

  using SeenDirectives = std::map<std::string_view, ast::Offset>;

  void unique_directives(const ast::List<ast::Directive>& list, SeenDirectives* shared = nullptr) {
    if (list.empty() || (!shared && list.size() < 2)) return;
    SeenDirectives here;
    auto& seen = shared ? *shared : here;
    for (const auto& directive : list) {
      const auto* facts = directive_facts(directive.name.text);
      if (!facts || facts->repeatable) continue;
      const auto [known, is_new] = seen.emplace(directive.name.text, directive.at);
      if (!is_new)
        report("The directive \"@" + std::string(directive.name.text) + "\" can only be used once at this location.",
               {known->second, directive.at});
    }
  }

  const DirectiveFacts* directive_facts(std::string_view name) {
    if (directives_.empty()) {
      for (const auto& directive : schema_.directives()) {
        auto& facts = directives_[directive.name];
        facts.locations.assign(directive.locations.begin(), directive.locations.end());
        facts.repeatable = directive.repeatable;
        for (const auto& argument : directive.arguments) {
          facts.arguments.push_back(argument.name);
          if (argument.required()) facts.required.emplace_back(argument.name, argument.type->text());
        }
      }
      for (const auto& def : document_.definitions) {
        if (def.kind != ast::DefinitionKind::directive) continue;
        auto& facts = directives_[def.name.text] = {};
        for (const auto& location : def.locations) facts.locations.push_back(location.text);
        facts.repeatable = def.repeatable;
        for (const auto& argument : def.inputs) {
          facts.arguments.push_back(argument.name.text);
          if (argument.type->kind == ast::TypeKind::non_null && !argument.default_value)
            facts.required.emplace_back(argument.name.text, print(*argument.type));
        }
      }
    }
    const auto found = directives_.find(name);
    return found == directives_.end() ? nullptr : &found->second;
  }

  // --- values ---

  void values_of_correct_type(const ast::Value& node) {
    switch (node.kind) {
      case ast::ValueKind::variable:
        return;
      case ast::ValueKind::null:
        if (input_type() && input_type()->kind == Kind::non_null)
          report("Expected value of type \"" + input_type()->text() + "\", found null.", {node.at});
        return;
      case ast::ValueKind::list: {
        const auto* outer = parent_input_type() ? &parent_input_type()->nullable() : nullptr;
        if (outer && outer->kind == Kind::list) return;
        leaf_value(node);
        unfit_ = &node;
        return;
      }
      case ast::ValueKind::object: {
        const auto* type = input_type() ? &input_type()->named() : nullptr;
        if (!type || type->kind != Kind::input) {
          leaf_value(node);
          unfit_ = &node;
          return;
        }
        for (const auto& field : type->inputs) {
          const auto is_given = [&] {
            for (const auto& given_field : node.fields)
              if (given_field.name.text == field.name) return true;
            return false;
          };
          if (field.required() && !is_given())
            report("Field \"" + type->name + '.' + field.name + "\" of required type \"" + field.type->text() +
                       "\" was not provided.",
                   {node.at});
        }
        return;
      }
      default:
        leaf_value(node);
    }
  }

  void leaf_value(const ast::Value& node) {
    if (!input_type()) return;
    const auto& type = input_type()->named();
    if (!type.is_leaf()) {
      report("Expected value of type \"" + input_type()->text() + "\", found " + print(node) + '.', {node.at});
      return;
    }
    auto read = read_literal(type, node, nullptr, leniency_);
    if (!read) report(std::move(read.error().message), std::move(read.error().at));
  }

  const ast::Document& document_;
  const Leniency& leniency_;
  Overlap overlap_;
  GraphErrors errors_;
  bool stopped_ = false;
  std::size_t operations_ = 0;
  std::map<std::string_view, const ast::Definition*> fragments_;
  std::vector<std::string_view> defined_types_;
  std::map<std::string_view, ast::Offset> operation_names_, fragment_names_;
  std::map<std::string_view, DirectiveFacts> directives_;
  std::map<std::string_view, SeenDirectives> type_directives_;
  std::vector<std::map<std::string_view, ast::Offset>> input_names_;
  std::map<const ast::SelectionSet*, std::vector<const ast::Selection*>> spreads_;
  std::map<const ast::Definition*, std::vector<const ast::Definition*>> reachable_;
  std::map<const ast::Definition*, std::unique_ptr<VariableUses>> uses_;
  NameSet cycle_seen_;
  std::vector<const ast::Selection*> cycle_path_;
  std::map<std::string_view, std::size_t> cycle_places_;
  const ast::Value* unfit_ = nullptr;  // a value that was refused as a whole: what is in it is not looked at
  bool in_directive_ = false;
};

}  // namespace

GraphErrors validate(const Schema& schema, const ast::Document& document, const Leniency& leniency) {
  return Validator(schema, document, leniency).run();
}

}  // namespace gyre::graphql
