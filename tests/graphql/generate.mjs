// Makes documents from a seed: mostly valid ones over the schema, then ones with mistakes of every kind put in, then ones
// with characters lost, doubled or swapped.

export class Chance {
  constructor(seed) { this.state = seed >>> 0; }
  next() { // mulberry32
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  below(n) { return Math.floor(this.next() * n); }
  one(list) { return list[this.below(list.length)]; }
  is(probability) { return this.next() < probability; }
}

const SPACES = [' ', ' ', ' ', '\n', '  ', '\t', ', ', '\r\n', ' # a comment é😀\n', '\r', '\ufeff '];
const STRINGS = ['""', '"plain"', '"é😀"', '"\\u00e9\\uD83D\\uDE00\\u{1F600}"', '"tab\\t quote\\" slash\\/ back\\\\"', '"""block"""',
  '"""\n    indented\n      more\n\n    \\""" three\n  """', '"""  "quoted" """', '"\\u0000"', '"en"', '"\u2028"', '"""\r\n a\r  b\n"""', '"any \\"name\\""'];
const NUMBERS = ['0', '1', '-1', '42', '-0', '2147483647', '-2147483648', '2147483648', '9007199254740993', '123456789012345678901234567890'];
const FLOATS = ['0.5', '-1.25', '1e3', '1E-7', '0.1e+2', '-0.0', '1e400', '123456789.123456789', '3.0', '5e-324'];

export class Generator {
  constructor(schema, graphql, seed, mistakes) {
    this.schema = schema;
    this.g = graphql;
    this.chance = new Chance(seed);
    this.mistakes = mistakes; // how probable one is, at each place where one can be made
    this.variables = new Map();
    this.values = {};
    this.fragments = [];
    this.spreading = 0;
    this.keys = 0;
  }

  wrong() { return this.chance.is(this.mistakes); }
  space() { return this.chance.is(0.12) ? this.chance.one(SPACES) : ' '; }
  misspelt(name) {
    const at = this.chance.below(name.length);
    return this.chance.one([name.slice(0, at) + name.slice(at + 1) || 'x', name + 's', name.slice(0, at) + 'q' + name.slice(at), name.toUpperCase(), name.toLowerCase(), 'nonsense', '__' + name, name.slice(0, at) + (name[at + 1] ?? '') + name[at] + name.slice(at + 2)]);
  }
  name(name) { return this.wrong() ? this.misspelt(name) : name; }

  document() {
    const { chance } = this;
    const count = chance.is(0.12) ? 2 : 1;
    const parts = [];
    for (let i = 0; i < count; ++i) parts.push(this.operation(count > 1 || chance.is(0.5) ? 'Op' + (this.wrong() ? 0 : i) : ''));
    if (this.wrong()) this.fragments.push({ name: 'Unused', type: chance.one(['Dog', 'Query', 'Color', 'Nope']), text: '{ id }' });
    for (const fragment of this.fragments)
      parts.splice(chance.below(parts.length + 1), 0, `fragment ${fragment.name} on ${fragment.type}${fragment.directives ?? ''} ${fragment.text}`);
    if (this.wrong() && chance.is(0.2)) parts.push(chance.one(['type Extra { a: Int @once }', 'extend type Dog { b: Unknown }', 'schema { query: Query }', 'scalar Dat @tag(name: 3)', 'directive @mine(a: Int!) on FIELD', 'enum E { A @nope }', 'input I { a: Stringg = {b: 1, b: 2} }', 'union U = Dog | Catt', 'extend scalar Json @once']));
    if (this.wrong() && this.fragments.length) parts.push(`fragment ${chance.one(this.fragments).name} on Dog { id }`);
    const document = { query: parts.join(chance.one(['\n', '\n\n', ' '])), variables: this.values };
    if (count > 1 && !this.wrong()) document.operationName = 'Op' + chance.below(2);
    else if (this.wrong()) document.operationName = chance.one(['Op0', 'Nope', '']);
    return document;
  }

  operation(name) {
    const { chance, schema } = this;
    this.variables = new Map();
    const kind = chance.is(0.82) ? 'query' : chance.is(0.7) ? 'mutation' : 'subscription';
    const root = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() }[kind];
    const selection = this.selection(root, 0, kind === 'subscription' && !this.wrong() ? 1 : 5);
    const directives = chance.is(0.06) ? ' ' + chance.one(['@onQuery', '@tag(name: "t")', '@once', '@tag(name: "a") @tag(name: "b")', '@onQuery @onQuery']) : '';
    let definitions = [...this.variables].map(([variable, { type, initial, directives: own }]) => `$${variable}:${this.space()}${type}${initial ? ' = ' + initial : ''}${own}`);
    if (this.wrong()) definitions.push('$unused: ' + chance.one(['Int', 'Dog', 'Nope!', '[Color!]', 'Filter']));
    if (this.wrong() && definitions.length) definitions.push(chance.one(definitions));
    if (this.wrong()) definitions = definitions.slice(1);
    if (!name && !definitions.length && !directives && kind === 'query' && chance.is(0.7)) return selection;
    return `${kind} ${name}${definitions.length ? '(' + definitions.join(', ') + ')' : ''}${directives} ${selection}`;
  }

  directives(place) {
    const { chance } = this;
    if (!chance.is(0.14)) return '';
    const bool = () => (chance.is(0.4) ? '$' + this.variable('Boolean!') : chance.one(['true', 'false']));
    const all = [() => `@include(if: ${bool()})`, () => `@skip(if: ${bool()})`, () => `@include(if: ${bool()})`, () => '@tag(name: "x")', () => '@tag(name: "x", weight: 3) @tag(name: $' + this.variable('String!') + ')'];
    if (place === 'FIELD') all.push(() => '@once(why: [BLUE])', () => '@once');
    if (this.wrong()) all.push(() => '@skip', () => '@unknown(a: 1)', () => '@once @once', () => '@include(if: "yes")', () => '@skip(iff: true)', () => '@onQuery', () => '@deprecated', () => '@tag(name: "a", name: "b")', () => '@skip(if: null)', () => `@include(if: $${this.variable('Boolean')})`, () => '@unknown(id: {a: 1})');
    return ' ' + (this.mistakes && chance.is(0.15) ? chance.one(all)() + ' ' + chance.one(all)() : all[all.length > 7 ? 7 + chance.below(all.length - 7) : chance.below(all.length)]());
  }

  selection(type, depth, most = 5) {
    const { chance, g } = this;
    const fields = type.getFields ? Object.values(type.getFields()) : [];
    const parts = [];
    const count = 1 + chance.below(depth > 3 ? 2 : most);
    for (let i = 0; i < count; ++i) {
      const roll = chance.next();
      if (roll < 0.1 && most > 1) parts.push(this.inline(type, depth));
      else if (roll < 0.2 && most > 1) parts.push(this.spread(type, depth));
      else if (roll < 0.25 && most > 1) parts.push(chance.one(['__typename', 'kind: __typename', '__typename @skip(if: false)']));
      else if (depth === 0 && most > 1 && roll < 0.28) parts.push(chance.one(['__schema { queryType { name } directives { name args { name defaultValue } } }', '__type(name: "Filter") { name kind inputFields(includeDeprecated: true) { name defaultValue type { kind name ofType { name } } } }', 't: __type(name: "Nope") { name }', '__type { name }', '__type(name: "Animal") { possibleTypes { name } fields { name } ofType { name } }', '__schema { types { nam } }']));
      else if (fields.length) parts.push(this.field(chance.one(fields), depth));
      else if (g.isUnionType(type)) parts.push(this.wrong() ? 'name' : '__typename', this.inline(type, depth));
    }
    return '{' + this.space() + parts.join(this.space()) + this.space() + '}';
  }

  field(field, depth) {
    const { chance, g } = this;
    const named = g.getNamedType(field.type);
    const args = field.args.filter((arg) => g.isRequiredArgument(arg) ? !this.wrong() : chance.is(0.3)).map((arg) => `${this.name(arg.name)}: ${this.value(arg.type, 0, arg.defaultValue !== undefined)}`);
    if (this.wrong()) args.push(chance.one(['extra: 1', 'filterr: {}', 'id: 3', 'lenguage: "x"']));
    if (this.wrong() && args.length) args.push(args[0]);
    // Without mistakes few fields share a key: most documents would be refused for that alone.
    let alias = '';
    if (this.mistakes === 0 && (args.length || chance.is(0.3))) alias = `k${++this.keys}:${this.space()}`;
    else if (chance.is(this.mistakes ? 0.25 : 0.01)) alias = chance.one(['a', 'b', 'c', field.name, 'name', 'x1']) + ':' + this.space();
    else if (this.mistakes === 0 && ['volume', 'owner', 'friends'].includes(field.name)) alias = `${field.name}${named.name}${++this.keys}: `;
    const composite = g.isCompositeType(named) && !this.wrong();
    const deep = composite || this.wrong();
    if (composite && depth > 4 && !this.wrong()) return `${alias}${field.name}${args.length ? '(' + args.join(', ') + ')' : ''} { __typename }`;
    return `${alias}${this.name(field.name)}${args.length ? '(' + args.join(this.chance.one([', ', ' ', ',\n'])) + ')' : ''}${this.directives('FIELD')}${deep && (composite || chance.is(0.3)) ? ' ' + (composite ? this.selection(named, depth + 1) : '{ id }') : ''}`;
  }

  typeFor(type) { // a type condition that can apply, or any at all
    const { chance, g, schema } = this;
    if (this.wrong()) return chance.one(['Dog', 'Cat', 'Fish', 'Person', 'Color', 'Nope', 'Filter', 'Animal', 'Query', 'Dogg', 'Int']);
    const all = Object.values(schema.getTypeMap()).filter((other) => g.isCompositeType(other) && !other.name.startsWith('__') && g.doTypesOverlap(schema, type, other));
    return chance.one(all).name;
  }

  inline(type, depth) {
    const condition = this.chance.is(0.8) || this.g.isUnionType(type) ? this.typeFor(type) : '';
    const inside = condition ? this.schema.getType(condition) : type;
    return `...${condition ? ' on ' + condition : ''}${this.directives('INLINE_FRAGMENT')} ${inside && this.g.isCompositeType(inside) ? this.selection(inside, depth + 1) : '{ id }'}`;
  }

  spread(type, depth) {
    const { chance } = this;
    if (this.wrong()) return '...' + chance.one(['Missing', 'F0', 'F1', 'F2']);
    const known = this.fragments.filter((fragment) => fragment.done && fragment.type === type.name);
    if (known.length && chance.is(0.5)) return '...' + chance.one(known).name + this.directives('FRAGMENT_SPREAD');
    if (this.spreading > 2) return '__typename';
    const fragment = { name: 'F' + this.fragments.length, type: this.typeFor(type) };
    this.fragments.push(fragment);
    const inside = this.schema.getType(fragment.type);
    if (chance.is(0.1)) fragment.directives = chance.one([' @once', ' @once(why: GREEN)', ' @tag(name: "z")'].slice(0, this.mistakes ? 3 : 2));
    ++this.spreading;
    fragment.text = inside && this.g.isCompositeType(inside) ? this.selection(inside, depth + 1) : '{ id }';
    --this.spreading;
    fragment.done = true;
    return '...' + fragment.name + this.directives('FRAGMENT_SPREAD');
  }

  variable(type) {
    const { chance } = this;
    const known = [...this.variables].filter(([, { type: other }]) => other === type);
    if (known.length && chance.is(0.6)) return chance.one(known)[0];
    const name = 'v' + this.variables.size + (this.wrong() ? 'x' : '');
    const parsed = this.g.typeFromAST(this.schema, this.g.parseType(type));
    const before = this.mistakes;
    this.constant = true;
    const initial = parsed && this.g.isInputType(parsed) && chance.is(0.25) ? this.value(parsed, 1) : '';
    this.constant = false;
    this.mistakes = before;
    this.variables.set(name, { type: this.wrong() ? chance.one(['Int', 'String!', '[Color]', 'Dog', type + '!']).replace('!!', '!') : type, initial, directives: chance.is(0.04) ? ' @once' : '' });
    if (parsed && this.g.isInputType(parsed) && !(chance.is(0.1) || (this.wrong() && chance.is(0.5)))) this.values[name] = this.json(parsed, 0);
    return name;
  }

  value(type, depth, hasDefault = false, required = false) {
    const { chance, g } = this;
    if (!this.constant && !required && depth < 3 && chance.is(0.2)) return '$' + this.variable(chance.is(0.85) ? String(type) : hasDefault && g.isNonNullType(type) ? String(type.ofType) : String(type) + (String(type).endsWith('!') ? '' : '!'));
    if (this.wrong()) return chance.one(['null', '"text"', 'WORD', '[1]', '{a: 1}', '{}', '1.5', '7', 'true', '$undefined', '[[]]', '2147483648', '[null, 1]', 'RED', '"RED"', '[{}]', '{exact: 1, exact: 2}']).replace('$undefined', this.constant ? '1' : '$undefined');
    if (g.isNonNullType(type)) return this.value(type.ofType, depth + 0.5, hasDefault, true);
    if (!required && chance.is(0.07)) return 'null';
    if (g.isListType(type)) {
      if (chance.is(0.15)) return this.value(type.ofType, depth + 1);
      return '[' + Array.from({ length: chance.below(4) }, () => this.value(type.ofType, depth + 1)).join(chance.one([', ', ' '])) + ']';
    }
    if (g.isInputObjectType(type)) {
      if (depth > 3) return type.name === 'Filter' ? '{exact: true}' : '{}';
      const fields = Object.values(type.getFields()).filter((field) => (g.isRequiredInputField(field) ? !this.wrong() : chance.is(0.3)));
      const parts = fields.map((field) => `${this.name(field.name)}: ${this.value(field.type, depth + 1)}`);
      if (this.wrong() && parts.length) parts.push(parts[0]);
      return '{' + parts.join(', ') + '}';
    }
    if (g.isEnumType(type)) return this.name(chance.one(type.getValues()).name);
    switch (type.name) {
      case 'Int': return chance.one(NUMBERS.slice(0, this.mistakes ? NUMBERS.length : 7));
      case 'Float': return chance.one(chance.is(0.5) ? FLOATS : NUMBERS);
      case 'Boolean': return chance.one(['true', 'false']);
      case 'String': return chance.one(STRINGS);
      case 'ID': return chance.one(['"id"', '4', '"4"', '-17', '00'].slice(0, this.mistakes ? 5 : 4));
      default: return chance.one(['1', '"x"', '{a: [1, 2.5, {b: null}], c: WORD}', 'true', '[]', '{}', 'RED', '"""b"""', '1e21', '{a: $' + (this.constant ? '' : this.variable('Int')) + '}'].slice(0, this.constant ? 9 : 10));
    }
  }

  json(type, depth) {
    const { chance, g } = this;
    if (this.wrong()) return chance.one([null, 'text', 1.5, 7, true, [], {}, [1, 'a'], { a: { b: { c: { d: 1 } } } }, [[[[1]]]], 2147483648, 1e21, 0.1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 'RED', 'REDD', { exact: 'no', nam: 1 }, '"quoted"\n']);
    if (g.isNonNullType(type)) {
      let value = null;
      while (value === null) value = this.json(type.ofType, depth + 0.5);
      return value;
    }
    if (chance.is(0.08)) return null;
    if (g.isListType(type)) return chance.is(0.15) ? this.json(type.ofType, depth + 1) : Array.from({ length: chance.below(4) }, () => this.json(type.ofType, depth + 1));
    if (g.isInputObjectType(type)) {
      const out = {};
      for (const field of Object.values(type.getFields())) {
        if (g.isRequiredInputField(field) ? this.wrong() : depth > 3 || !chance.is(0.35)) continue;
        out[this.wrong() ? this.misspelt(field.name) : field.name] = this.json(field.type, depth + 1);
      }
      return out;
    }
    if (g.isEnumType(type)) return this.wrong() ? 'RDE' : chance.one(type.getValues()).name;
    switch (type.name) {
      case 'Int': return chance.one([0, 1, -1, 2147483647, 3.0]);
      case 'Float': return chance.one([0, 1, 1.5, -1e-7, 1e21]);
      case 'Boolean': return chance.is(0.5);
      case 'String': return chance.one(['', 'text', 'é😀\n"']);
      case 'ID': return chance.one(['id', 4]);
      default: return chance.one([1, 'x', { a: [1, { b: null }] }, [], true]);
    }
  }
}

// A document with something lost, doubled, swapped or put in.
export function damaged(document, seed) {
  const chance = new Chance(seed);
  let text = document.query;
  const bits = ['{', '}', '(', ')', '[', ']', '"', '"""', '$', '@', ':', '!', '...', '=', '|', '&', '\\', '\\u', '\\u{', '\\u{110000}', '\\uD800', '\u00e9', '😀', '\'', '-', '.', '01', '1.', '1e', '0x', '#', '\n', '\r', '\u0007', ';', 'on', 'true', 'null', 'fragment', 'query', 'extend', '"d" ', 'type', 'directive', '?', '\ufeff', '\u0000', '1a', '-a', '..'];
  for (let i = 1 + chance.below(3); i > 0; --i) {
    const points = [...text];
    const at = chance.below(points.length + 1);
    switch (chance.below(5)) {
      case 0: points.splice(at, 1 + chance.below(3)); break;
      case 1: points.splice(at, 0, chance.one(bits)); break;
      case 2: points.splice(at, 0, ...points.slice(at, at + chance.below(12))); break;
      case 3: points.splice(at); break;
      default: points.splice(at, 1, chance.one(bits));
    }
    text = points.join('');
  }
  return { ...document, query: text };
}
