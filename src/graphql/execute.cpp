#include "graphql/execute.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <set>
#include <unordered_map>

#include "base/check.hpp"
#include "graphql/printer.hpp"
#include "graphql/text.hpp"

namespace gyre::graphql {
namespace {

constexpr std::string_view answer_begins = "{\"data\":";

namespace bj = boost::json;

// Where an answer stands; chained through the stack.
struct Step {
  const Step* before = nullptr;
  std::string_view key;
  std::size_t index = 0;
};

struct Plan;

// One key of the answer: the selections that share it, and what is known about it before any value is.
struct PlannedField {
  std::string_view key;
  std::string json_key;  // ,"key":
  std::vector<const ast::Selection*> nodes;
  const Field* field = nullptr;
  const Type* bare = nullptr;               // its type without an outer non-null
  const FieldResolver* resolver = nullptr;  // null for what every type has
  tl::expected<bj::object, Failure> arguments;
  std::vector<std::pair<const Type*, std::unique_ptr<Plan>>> inside;  // by the type that the value turns out to be
};

struct Plan {
  std::vector<PlannedField> fields;
  std::unordered_map<std::string_view, std::size_t> places;  // of fields, once there are many
  std::optional<Failure> failure;                            // a directive that cannot be read
  const Binding* binding = nullptr;                          // of the type that it is for
  bool batched = false;
};

// The answers of batch resolvers for one list.
struct Batches {
  std::vector<std::pair<const PlannedField*, std::unique_ptr<BatchAnswer>>> answers;
  const BatchAnswer* find(const PlannedField& field) const {
    for (const auto& [planned, answer] : answers)
      if (planned == &field) return answer.get();
    return nullptr;
  }
};
struct BatchRow {
  const Batches* batches = nullptr;
  std::size_t index = 0;
};

enum class Done { value, null, failed };

bj::value to_json(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::boolean:
      return value.as_boolean();
    case Value::Kind::integer:
      return value.as_integer();
    case Value::Kind::number:
      return value.as_number();
    case Value::Kind::text:
      return bj::value(bj::string_view(value.as_text().data(), value.as_text().size()));
    case Value::Kind::time:
      return bj::value(rfc3339(value.as_time()));
    case Value::Kind::list: {
      bj::array out;
      for (std::size_t i = 0; i < value.list_size(); ++i) out.push_back(to_json(value.list_item(i)));
      return out;
    }
    case Value::Kind::json:
      return value.as_json();
    default:
      return nullptr;
  }
}

// What JavaScript's Number() makes of a text.
double number_in(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n\r");
  if (first == std::string_view::npos) return 0;
  const std::string trimmed(text.substr(first, text.find_last_not_of(" \t\n\r") + 1 - first));
  if (trimmed.find_first_not_of("0123456789+-.eE") != std::string::npos) return std::nan("");
  char* end = nullptr;
  const double out = std::strtod(trimmed.c_str(), &end);
  return end == trimmed.c_str() + trimmed.size() ? out : std::nan("");
}

class Executor {
 public:
  Executor(const Resolvers& resolvers, const ast::Document& document, const Variables& variables,
           const Context& context, const ExecuteOptions& options)
      : resolvers_(resolvers),
        schema_(resolvers.schema()),
        document_(document),
        variables_(variables),
        context_(context),
        options_(options),
        names_(schema_) {
    for (const auto& def : document.definitions)
      if (def.kind == ast::DefinitionKind::fragment) fragments_[def.name.text] = &def;
    out_.reserve(options.expected_bytes);
    out_ = answer_begins;
  }

  Execution run(const ast::Definition& operation) {
    const auto* root = schema_.root(operation.operation);
    if (!root) {
      add_error(
          {"Schema is not configured to execute " + std::string(ast::text_of(operation.operation)) + " operation.",
           {operation.at}});
      return finish(false);
    }
    Plan plan;
    std::set<std::string_view> seen;
    collect(*root, *operation.set, plan, seen);
    prepare(*root, plan);
    if (plan.failure) {
      add_error(*plan.failure);
      return finish(false);
    }
    const Root source;
    const bool serially = operation.operation == ast::OperationKind::mutation && options_.around_mutation;
    return finish(serially ? mutate(*root, plan, &source) : fields(*root, plan, &source, nullptr, {}));
  }

 private:
  Execution finish(bool ok) {
    if (exhausted_) ok = false;
    if (!ok) out_ = std::string(answer_begins) + "null";
    return {std::move(out_), std::move(errors_)};
  }

  // --- errors ---

  void add_error(const Failure& failure) {
    auto& error = errors_.emplace_back();
    error.message = failure.message;
    for (const auto at : failure.at) error.locations.push_back(location_of(document_.source, at));
  }

  GraphError& error_at(const Failure& failure, const PlannedField& planned, const Step* step) {
    auto& error = errors_.emplace_back();
    error.message = failure.message;
    if (failure.at.empty())
      for (const auto* node : planned.nodes) error.locations.push_back(location_of(document_.source, node->at));
    for (const auto at : failure.at) error.locations.push_back(location_of(document_.source, at));
    auto& path = error.path.emplace();
    for (; step; step = step->before) {
      if (step->key.empty())
        path.emplace_back(step->index);
      else
        path.emplace_back(std::string(step->key));
    }
    std::reverse(path.begin(), path.end());
    return error;
  }

  Done fail(std::string message, const PlannedField& planned, const Step* step) {
    error_at({std::move(message), {}}, planned, step);
    return Done::failed;
  }

  // --- plans ---

  // Nothing when it is to be left out; a failure when its directives cannot be read.
  bool included(const ast::List<ast::Directive>& directives, Plan& plan) {
    const auto answer = [&](std::string_view name) -> std::optional<bool> {
      for (const auto& directive : directives) {
        if (directive.name.text != name) continue;
        const auto* known = schema_.directive(name);
        if (!known) return std::nullopt;
        auto arguments =
            coerce_arguments(known->arguments, directive.arguments, directive.at, variables_, options_.leniency);
        if (!arguments) {
          if (!plan.failure) plan.failure = std::move(arguments.error());
          return std::nullopt;
        }
        const auto* condition = arguments->if_contains("if");
        return condition && condition->is_bool() ? std::optional(condition->get_bool()) : std::nullopt;
      }
      return std::nullopt;
    };
    if (directives.empty()) return true;
    return answer("skip") != true && !plan.failure && answer("include") != false && !plan.failure;
  }

  bool applies(const ast::Type* condition, const Type& type) {
    if (!condition) return true;
    const auto* wanted = schema_.type(condition->name);
    return wanted && (wanted == &type || (wanted->is_abstract() && schema_.is_subtype(*wanted, type)));
  }

  static void add(Plan& plan, const ast::Selection& node) {
    constexpr std::size_t index_from = 32;
    auto& all = plan.fields;
    if (all.size() < index_from) {
      for (auto& planned : all)
        if (planned.key == node.key()) return planned.nodes.push_back(&node);
    } else {
      if (plan.places.empty())
        for (std::size_t i = 0; i < all.size(); ++i) plan.places.emplace(all[i].key, i);
      const auto [known, is_new] = plan.places.emplace(node.key(), all.size());
      if (!is_new) return all[known->second].nodes.push_back(&node);
    }
    auto& planned = all.emplace_back();
    planned.key = node.key();
    planned.nodes.push_back(&node);
  }

  void collect(const Type& type, const ast::SelectionSet& set, Plan& plan, std::set<std::string_view>& seen) {
    if (plan.fields.empty()) plan.fields.reserve(set.items.size());
    for (const auto& node : set.items) {
      if (plan.failure) return;
      switch (node.kind) {
        case ast::SelectionKind::field: {
          if (!included(node.directives, plan)) break;
          add(plan, node);
          break;
        }
        case ast::SelectionKind::inline_fragment:
          if (included(node.directives, plan) && applies(node.condition, type)) collect(type, *node.set, plan, seen);
          break;
        case ast::SelectionKind::spread: {
          if (seen.contains(node.name.text) || !included(node.directives, plan)) break;
          seen.insert(node.name.text);
          const auto found = fragments_.find(node.name.text);
          if (found != fragments_.end() && applies(found->second->condition, type))
            collect(type, *found->second->set, plan, seen);
          break;
        }
      }
    }
  }

  void prepare(const Type& type, Plan& plan) {
    const auto* binding = plan.binding = resolvers_.binding(type);
    for (auto& planned : plan.fields) {
      const auto& node = *planned.nodes.front();
      planned.field = schema_.field(type, node.name.text);
      if (!planned.field) continue;
      planned.bare = &planned.field->type->nullable();
      planned.json_key = ',';
      append_json(planned.json_key, planned.key);
      planned.json_key += ':';
      if (!planned.field->name.starts_with("__") && binding) planned.resolver = &binding->fields[planned.field->index];
      if (!planned.field->arguments.empty())
        planned.arguments =
            coerce_arguments(planned.field->arguments, node.arguments, node.at, variables_, options_.leniency);
      plan.batched = plan.batched || (planned.resolver && planned.resolver->many);
    }
  }

  Plan& plan_inside(PlannedField& planned, const Type& type) {
    for (const auto& [known, plan] : planned.inside)
      if (known == &type) return *plan;
    auto& plan = *planned.inside.emplace_back(&type, std::make_unique<Plan>()).second;
    std::set<std::string_view> seen;
    for (const auto* node : planned.nodes)
      if (node->set) collect(type, *node->set, plan, seen);
    prepare(type, plan);
    return plan;
  }

  // --- fields ---

  // Writes an object. False: a field that may not be null is, and so there is no object.
  bool fields(const Type& type, Plan& plan, const void* source, const Step* before, BatchRow row) {
    out_ += '{';
    bool first = true;
    for (auto& planned : plan.fields) {
      if (!planned.field) continue;
      start_field(planned, first);
      if (!field(type, planned, source, before, row)) return false;
    }
    out_ += '}';
    return true;
  }

  bool mutate(const Type& type, Plan& plan, const void* source) {
    bool ok = true;
    out_ += '{';
    bool first = true;
    for (auto& planned : plan.fields) {
      if (!planned.field) continue;
      start_field(planned, first);
      options_.around_mutation([&] {
        const auto known = errors_.size();
        ok = field(type, planned, source, nullptr, {});
        return ok && errors_.size() == known;
      });
      if (!ok) return false;
    }
    out_ += '}';
    return true;
  }

  void start_field(const PlannedField& planned, bool& first) {
    if (first)
      out_.append(planned.json_key, 1);
    else
      out_ += planned.json_key;
    first = false;
  }

  bool field(const Type& type, PlannedField& planned, const void* source, const Step* before, BatchRow row) {
    const auto start = out_.size();
    const Step step{before, planned.key, 0};
    const auto done = answer(type, planned, source, step, row);
    return settle(done, *planned.field->type, start);
  }

  // A failure becomes null where null is allowed, else it is the parent's failure.
  bool settle(Done done, const Type& type, std::size_t start) {
    if (done != Done::failed) return true;
    if (type.kind == Kind::non_null || exhausted_) return false;
    out_.resize(start);
    out_ += "null";
    return true;
  }

  Done answer(const Type& type, PlannedField& planned, const void* source, const Step& step, BatchRow row) {
    if (exhausted_) return Done::failed;
    if (++values_ > options_.values_max) {
      exhausted_ = true;
      auto refused = refusal(Reason::graphql_too_costly, {{"max", std::to_string(options_.values_max)}});
      error_at({refused.message, {}}, planned, &step).extensions = std::move(refused.extensions);
      return Done::failed;
    }
    if (!planned.arguments) {
      error_at(planned.arguments.error(), planned, &step);
      return Done::failed;
    }
    const Place place{type, planned, step};
    if (!planned.resolver) return standard_field(place);
    if (planned.resolver->member) {
      const auto value = planned.resolver->member(source);
      if (wrote_plain(planned, value)) return Done::value;
      return complete(place, *planned.field->type, value, step);
    }
    if (row.batches)
      if (const auto* batch = row.batches->find(planned))
        return complete(place, *planned.field->type, batch->at(row.index), step);
    Ask ask(type, *planned.field, *planned.arguments, context_);
    if (planned.resolver->many) {
      const auto batch = planned.resolver->many(std::span(&source, 1), ask);
      CHECK(batch->size() == 1);
      return complete(place, *planned.field->type, batch->at(0), step);
    }
    if (!planned.resolver->one) throw std::logic_error("no resolver for " + type.name + '.' + planned.field->name);
    Completion completion(*this, place);
    planned.resolver->one(source, ask, completion);
    return completion.done;
  }

  // Which field a value answers.
  struct Place {
    const Type& parent;
    PlannedField& planned;
    const Step& step;
    std::string name() const { return parent.name + '.' + planned.field->name; }
  };

  class Completion final : public Sink {
   public:
    Completion(Executor& executor, const Place& place) : executor_(executor), place_(place) {}
    void take(const Value& value) override {
      done = executor_.complete(place_, *place_.planned.field->type, value, place_.step);
    }
    Done done = Done::null;

   private:
    Executor& executor_;
    const Place& place_;
  };

  Done standard_field(const Place& place) {
    const auto* field = place.planned.field;
    const auto give = [&](const Value& value) { return complete(place, *field->type, value, place.step); };
    if (field == &schema_.typename_field()) return give(Value::text(place.parent.name));
    if (field == &schema_.schema_field()) return give(value_of(schema_));
    if (field != &schema_.type_field())
      throw std::logic_error("no resolvers for the GraphQL type " + place.parent.name);
    const auto& name = place.planned.arguments->at("name").get_string();
    return give(value_of(schema_.type({name.data(), name.size()})));
  }

  // --- values ---

  // Most members of most answers: a value of just the scalar that is wanted. What it cannot write is for `complete`.
  bool wrote_plain(const PlannedField& planned, const Value& value) {
    const auto& type = *planned.bare;
    if (type.kind != Kind::scalar) return false;
    switch (value.kind()) {
      case Value::Kind::text:
        if (type.scalar != Scalar::string && type.scalar != Scalar::id) return false;
        append_json(out_, value.as_text());
        return true;
      case Value::Kind::integer: {
        const auto number = value.as_integer();
        if (type.scalar != Scalar::integer || number != static_cast<std::int32_t>(number)) return false;
        char digits[16];
        const auto done = std::to_chars(digits, digits + sizeof digits, number);
        out_.append(digits, done.ptr);
        return true;
      }
      case Value::Kind::number:
        if (type.scalar != Scalar::number || !std::isfinite(value.as_number())) return false;
        append_number(out_, value.as_number());
        return true;
      case Value::Kind::boolean:
        if (type.scalar != Scalar::boolean) return false;
        out_ += value.as_boolean() ? "true" : "false";
        return true;
      default:
        return false;
    }
  }

  Done complete(const Place& place, const Type& type, const Value& value, const Step& step) {
    if (value.kind() == Value::Kind::error) {
      const auto& error = value.as_error();
      auto& told = error_at({error.message(), {}}, place.planned, &step);
      told.extensions["code"] = std::string(reason_text(error.reason));
      if (!error.field.empty()) told.extensions["field"] = error.field;
      return Done::failed;
    }
    if (type.kind == Kind::non_null) {
      const auto done = complete(place, *type.of, value, step);
      if (done != Done::null) return done;
      return fail("Cannot return null for non-nullable field " + place.name() + '.', place.planned, &step);
    }
    if (value.is_null()) {
      out_ += "null";
      return Done::null;
    }
    if (type.kind == Kind::list) return list(place, *type.of, value, step);
    if (type.is_leaf()) return leaf(place, type, value, step);
    return object(place, type, value, step, {});
  }

  Done object(const Place& place, const Type& type, const Value& value, const Step& step, BatchRow row) {
    const Type* found = &type;
    // The common case without a look-up: the plan knows which C++ type stands for this object type.
    const auto fits = [&] {
      const auto* binding = plan_inside(place.planned, type).binding;
      return binding && is_object(value) && binding->tag == value.tag();
    };
    if (type.kind != Kind::object || !fits()) {
      std::string problem;
      found = resolvers_.object_type(type, value, problem);
      if (!found) {
        if (problem.empty()) problem = unresolved(place, type);
        return fail(std::move(problem), place.planned, &step);
      }
    }
    auto& plan = plan_inside(place.planned, *found);
    if (plan.failure) {
      error_at(*plan.failure, place.planned, &step);
      return Done::failed;
    }
    const auto* source = value.kind() == Value::Kind::json ? &value.as_json() : value.as_object();
    return fields(*found, plan, source, &step, row) ? Done::value : Done::failed;
  }

  static std::string unresolved(const Place& place, const Type& type) {
    return "Abstract type \"" + type.name + "\" must resolve to an Object type at runtime for field \"" + place.name() +
           "\". Either the \"" + type.name +
           "\" type should provide a \"resolveType\" function or each possible type should provide an \"isTypeOf\" "
           "function.";
  }

  Done list(const Place& place, const Type& item, const Value& value, const Step& step) {
    if (value.kind() != Value::Kind::list)
      return fail("Expected Iterable, but did not find one for field \"" + place.name() + "\".", place.planned, &step);
    const auto size = value.list_size();
    const auto& bare = item.nullable();
    Batches batches;
    std::vector<std::size_t> rows;
    if (bare.kind == Kind::object) rows = ask_for_all(place, bare, value, batches);
    out_ += '[';
    for (std::size_t i = 0; i < size; ++i) {
      if (i) out_ += ',';
      const Step here{&step, {}, i};
      const auto start = out_.size();
      const auto one = value.list_item(i);
      Done done;
      if (!rows.empty() && is_object(one))
        done = object(place, bare, one, here, {&batches, rows[i]});
      else
        done = complete(place, item, one, here);
      if (!settle(done, item, start)) return Done::failed;
    }
    out_ += ']';
    return Done::value;
  }

  static bool is_object(const Value& value) {
    return value.kind() == Value::Kind::object || value.kind() == Value::Kind::json;
  }

  // Asks the batch resolvers of what was selected once for the whole list. Which row of their answers each item has;
  // empty when there are none to ask.
  std::vector<std::size_t> ask_for_all(const Place& place, const Type& type, const Value& list, Batches& out) {
    auto& plan = plan_inside(place.planned, type);
    std::vector<std::size_t> rows;
    if (!plan.batched || plan.failure || list.list_size() == 0) return rows;
    const auto* binding = resolvers_.binding(type);
    std::vector<const void*> sources;
    for (std::size_t i = 0; i < list.list_size(); ++i) {
      const auto item = list.list_item(i);
      rows.push_back(sources.size());
      if (is_object(item) && item.tag() == binding->tag)
        sources.push_back(item.kind() == Value::Kind::json ? &item.as_json() : item.as_object());
    }
    for (const auto& planned : plan.fields) {
      if (!planned.resolver || !planned.resolver->many || !planned.arguments || sources.empty()) continue;
      Ask ask(type, *planned.field, *planned.arguments, context_);
      auto answers = planned.resolver->many(sources, ask);
      CHECK(answers->size() == sources.size());
      out.answers.emplace_back(&planned, std::move(answers));
    }
    return rows;
  }

  Done leaf(const Place& place, const Type& type, const Value& value, const Step& step) {
    const auto wrong = [&](const std::string& message) {
      return fail(message + graphql::inspect(to_json(value)), place.planned, &step);
    };
    const bool is_text = value.kind() == Value::Kind::text;
    if (type.kind == Kind::enum_type) {
      if (!is_text || !type.member(value.as_text()))
        return wrong("Enum \"" + type.name + "\" cannot represent value: ");
      append_json(out_, value.as_text());
      return Done::value;
    }
    double number = std::nan("");
    const bool is_boolean = value.kind() == Value::Kind::boolean;
    const bool is_number = value.kind() == Value::Kind::integer || value.kind() == Value::Kind::number;
    if (value.kind() == Value::Kind::integer || is_boolean) number = static_cast<double>(value.as_integer());
    if (value.kind() == Value::Kind::number) number = value.as_number();
    switch (type.scalar) {
      case Scalar::integer:
        if (is_text && !value.as_text().empty()) number = number_in(value.as_text());
        if (!std::isfinite(number) || std::trunc(number) != number)
          return wrong("Int cannot represent non-integer value: ");
        if (number > 2147483647.0 || number < -2147483648.0)
          return wrong("Int cannot represent non 32-bit signed integer value: ");
        append_number(out_, number);
        return Done::value;
      case Scalar::number:
        if (is_text && !value.as_text().empty()) number = number_in(value.as_text());
        if (!std::isfinite(number)) return wrong("Float cannot represent non numeric value: ");
        append_number(out_, number);
        return Done::value;
      case Scalar::boolean:
        if (!is_boolean && !(is_number && std::isfinite(number)))
          return wrong("Boolean cannot represent a non boolean value: ");
        out_ += number != 0 ? "true" : "false";
        return Done::value;
      case Scalar::string:
        if (value.kind() == Value::Kind::time)
          append_json(out_, rfc3339(value.as_time()));
        else if (is_text)
          append_json(out_, value.as_text());
        else if (is_boolean)
          append_json(out_, number != 0 ? "true" : "false");
        else if (is_number && std::isfinite(number))
          append_json(out_, number_text(number));
        else
          return wrong("String cannot represent value: ");
        return Done::value;
      case Scalar::id:
        if (is_text)
          append_json(out_, value.as_text());
        else if (is_number && std::isfinite(number) && std::trunc(number) == number)
          append_json(out_, number_text(number));
        else
          return wrong("ID cannot represent value: ");
        return Done::value;
      case Scalar::custom:
        if (value.kind() == Value::Kind::object)
          return fail("the scalar " + type.name + " cannot be a structure", place.planned, &step);
        write_json(out_, to_json(value));
        return Done::value;
    }
    return Done::null;
  }

  const Resolvers& resolvers_;
  const Schema& schema_;
  const ast::Document& document_;
  const Variables& variables_;
  const Context& context_;
  const ExecuteOptions& options_;
  TypeNames names_;
  std::unordered_map<std::string_view, const ast::Definition*> fragments_;
  std::string out_;
  GraphErrors errors_;
  std::size_t values_ = 0;
  bool exhausted_ = false;
};

}  // namespace

tl::expected<const ast::Definition*, GraphError> choose_operation(const ast::Document& document,
                                                                  const std::optional<std::string>& name) {
  const ast::Definition* found = nullptr;
  for (const auto& def : document.definitions) {
    if (def.kind != ast::DefinitionKind::operation) continue;
    if (!name && found)
      return tl::unexpected(
          GraphError{.message = "Must provide operation name if query contains multiple operations."});
    if (!name || (def.name && def.name.text == *name)) found = &def;
  }
  if (found) return found;
  return tl::unexpected(
      GraphError{.message = name ? "Unknown operation named \"" + *name + "\"." : "Must provide an operation."});
}

Execution execute(const Resolvers& resolvers, const ast::Document& document, const ast::Definition& operation,
                  const bj::object& given, const Context& context, const ExecuteOptions& options) {
  auto variables = coerce_variables(resolvers.schema(), document, operation, given, options.leniency);
  if (!variables) return {std::nullopt, std::move(variables.error())};
  return Executor(resolvers, document, *variables, context, options).run(operation);
}

std::string write_answer(Execution execution) {
  if (execution.errors.empty() && execution.data) return std::move(*execution.data) += '}';
  std::string out = "{\"errors\":[";
  for (std::size_t i = 0; i < execution.errors.size(); ++i) {
    if (i) out += ',';
    write_error(out, execution.errors[i]);
  }
  out += ']';
  if (execution.data) {
    out += ',';
    out += std::string_view(*execution.data).substr(1);
  }
  return out += '}';
}

}  // namespace gyre::graphql
