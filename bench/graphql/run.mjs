// Ours and the reference in one run: requests per CPU second of the process, documents fresh each time.
//   node bench/graphql/run.mjs build/release/bin/graphql_compare build/graphql-judge [SECONDS]
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [binary, modules, secondsText] = process.argv.slice(2);
const seconds = Number(secondsText ?? 5);
const { buildSchema, graphqlSync } = createRequire(resolve(modules, 'x.js'))('graphql');
const schema = buildSchema(readFileSync(join(here, 'schema.graphql.inc'), 'utf8').split('\n').slice(1, -2).join('\n'));
const port = () => ({ ip: '10.0.0.1', isIpPublic: true, privatePort: 22, publicPort: 40022, type: 'tcp' });
const pod = () => ({
  id: 'abcdefghij1234', containerDiskInGb: 20, costPerHr: 0.39, desiredStatus: 'RUNNING', dockerArgs: "bash -c 'sleep infinity'", dockerId: 'd',
  env: ['A=b', 'PUBLIC_KEY=ssh-ed25519 AAAA'], gpuCount: 1, imageName: 'runpod/pytorch:2.1.0', lastStatusChange: 'Rented by User: now', machineId: 'm1',
  memoryInGb: 64, name: 'a pod', podType: 'RESERVED', port: null, ports: '8888/http,22/tcp', uptimeSeconds: 12345, vcpuCount: 8, volumeInGb: 100,
  volumeMountPath: '/workspace', runtime: { ports: [port(), port()] }, machine: { gpuDisplayName: 'A40', location: 'KR' },
});
const document = (name) => `query ${name} { myself { pods { id containerDiskInGb costPerHr desiredStatus dockerArgs dockerId env gpuCount imageName lastStatusChange machineId memoryInGb name podType port ports uptimeSeconds vcpuCount volumeInGb volumeMountPath runtime { ports { ip isIpPublic privatePort publicPort type } } machine { gpuDisplayName location } } } }`;

function theirs(count) {
  const rootValue = { myself: { pods: Array.from({ length: count }, pod) } };
  const answer = (name) => JSON.stringify(graphqlSync({ schema, source: document(name), rootValue }));
  for (let i = 0; i < 2000 / count + 20; ++i) answer('warm' + i); // its compiler has seen the code
  const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6; };
  const begin = cpu();
  let requests = 0, bytes = 0;
  while (cpu() - begin < seconds) bytes += Buffer.byteLength(answer('myPods' + requests++));
  return { requests, seconds: cpu() - begin, bytes };
}

for (const [name, count] of [['pod', 1], ['pods', 100]]) {
  const reference = theirs(count);
  const ours = JSON.parse(execFileSync(binary, [String(seconds), name]));
  const rate = (side) => side.requests / side.seconds;
  if (Math.abs(ours.bytes / ours.requests - reference.bytes / reference.requests) > 4) throw new Error('the answers differ');
  console.log(`${name}: reference ${rate(reference).toFixed(0)}/s, ours ${rate(ours).toFixed(0)}/s, ${(rate(ours) / rate(reference)).toFixed(1)} times`);
}
