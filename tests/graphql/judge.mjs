// Asks the reference implementation and our engine the same, and tells where they differ.
//   node judge.mjs DRIVER MODULES SUITE [COUNT] [SEED]      suites: generated, nasty, introspection, schemas
// Exit status 0: no difference. What differs is printed with the seed that made it.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { damaged, Generator } from './generate.mjs';
import { documents, schemas } from './nasty.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [driverPath, modules, suite, countText, seedText] = process.argv.slice(2);
const graphql = createRequire(resolve(modules, 'x.js'))('graphql');
const schemaText = readFileSync(join(here, 'schema.graphql'), 'utf8');
const data = JSON.parse(readFileSync(join(here, 'data.json'), 'utf8'));
const schema = graphql.buildSchema(schemaText);
const count = Number(countText ?? 2500);
const firstSeed = Number(seedText ?? 1);

// --- our side ---

const driver = spawn(driverPath, [join(here, 'schema.graphql'), join(here, 'data.json')], { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = [];
createInterface({ input: driver.stdout, crlfDelay: Infinity }).on('line', (line) => waiting.shift().answered(line));
driver.on('exit', (code, signal) => { for (const one of waiting) one.refused(new Error(`the driver ended: ${signal ?? code}`)); });
driver.stdin.on('error', () => {});
const ours = async (question) => {
  const line = await new Promise((answered, refused) => {
    waiting.push({ answered, refused });
    driver.stdin.write(JSON.stringify(question) + '\n');
  });
  return JSON.parse(line);
};

// --- the reference's side ---

const follow = (value) => {
  if (Array.isArray(value)) return value.map(follow);
  if (value && value.$ref) return data[value.$ref];
  if (value && value.$error) return new Error('resolver: ' + value.$error);
  return value;
};
const plain = (value) => JSON.parse(JSON.stringify(value));
function theirs(question) {
  let counter = 0;
  return plain(graphql.graphqlSync({
    schema,
    source: question.query,
    variableValues: question.variables,
    operationName: question.operationName,
    rootValue: {},
    fieldResolver(source, args, _context, info) {
      const { fieldName, parentType } = info;
      if (fieldName === 'echo' || fieldName === 'required') return JSON.stringify(args);
      if (fieldName === 'bump' || fieldName === 'bumpHard') return (counter += args.by ?? 0);
      if (fieldName === 'fail' || fieldName === 'failHard') throw new Error('resolver: no');
      return follow((data[parentType.name] ?? source)[fieldName]);
    },
  }));
}

// --- comparing ---

let asked = 0, valid = 0, withErrors = 0, different = 0, halved = 0;
const withoutCodes = (answer) => {
  for (const error of answer.errors ?? []) delete error.extensions;
  return answer;
};
function compare(what, mine, reference) {
  ++asked;
  if (reference.errors) ++withErrors;
  if (reference.data) ++valid;
  if (JSON.stringify(mine) === JSON.stringify(reference)) return;
  // It cut a character in half for its message, which no UTF-8 can carry (README.md).
  if (/\\ud[89ab][0-9a-f]{2}/.test(JSON.stringify(reference))) return void ++halved;
  if (++different > 20) return;
  console.log(`\n--- ${what}\nreference: ${JSON.stringify(reference)}\nours:      ${JSON.stringify(mine)}`);
}
async function both(what, question) {
  let reference;
  try {
    reference = theirs(question);
  } catch (error) {
    return; // the reference itself threw: nothing to compare with (README.md)
  }
  compare(`${what}: ${JSON.stringify(question)}`, withoutCodes(await ours(question)), reference);
}
async function printed(what, text) {
  let reference;
  try {
    reference = { printed: graphql.print(graphql.parse(text)) };
  } catch (error) {
    reference = { error: error.message };
  }
  compare(`${what}, printed: ${JSON.stringify(text)}`, await ours({ print: text }), reference);
}

const suites = {
  async generated() {
    for (let i = 0; i < count; ++i) {
      const seed = firstSeed + i;
      const mistakes = [0, 0, 0.01, 0.03, 0.1][i % 5];
      let document = new Generator(schema, graphql, seed, mistakes).document();
      if (i % 7 === 6) document = damaged(document, seed);
      await both(`seed ${seed}`, document);
      await printed(`seed ${seed}`, document.query);
    }
    if (firstSeed === 1 && count >= 2000 && (valid < count / 4 || withErrors < count / 4)) throw new Error('the generator makes too few of one kind');
  },
  async nasty() {
    for (const [i, document] of documents.entries()) {
      const question = typeof document === 'string' ? { query: document } : document;
      await both(`document ${i}`, question);
      await printed(`document ${i}`, question.query);
    }
  },
  async introspection() {
    const every = { schemaDescription: true, specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true };
    for (const options of [every, {}, { descriptions: false }]) {
      const query = graphql.getIntrospectionQuery(options);
      const mine = await ours({ query });
      compare(`introspection ${JSON.stringify(options)}`, mine, theirs({ query }));
      const rebuilt = graphql.buildClientSchema(mine.data);
      const reference = graphql.buildClientSchema(theirs({ query }).data);
      compare('the schema rebuilt from it', { printed: graphql.printSchema(rebuilt) }, { printed: graphql.printSchema(reference) });
      if (options === every) compare('the same against the schema itself', { printed: graphql.printSchema(rebuilt) }, { printed: graphql.printSchema(schema) });
    }
  },
  async schemas() {
    for (const [i, text] of [schemaText, ...schemas].entries()) {
      let reference;
      try {
        const built = graphql.buildSchema(text);
        graphql.assertValidSchema(built);
        reference = { printed: graphql.printSchema(built) };
      } catch (error) {
        reference = { error: true };
      }
      const mine = await ours({ schema: text });
      compare(`schema ${i}: ${JSON.stringify(text)} (${mine.error})`, mine.error ? { error: true } : mine, reference);
      await printed(`schema ${i}`, text);
    }
  },
};

await suites[suite]();
driver.stdin.end();
console.log(`${suite}: ${asked} compared, ${valid} with data, ${withErrors} with errors, ${different} different, ${halved} with half a character`);
process.exitCode = different ? 1 : 0;
