// SPDX-License-Identifier: Apache-2.0
// Two client libraries of the JavaScript world against greenroom-kv and redis-server:
// npm install, then node compat.mjs PROGRAM [OPTION...]
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { isDeepStrictEqual, inspect } from 'node:util';
import Redis from 'ioredis';
import { createClient } from 'redis';

const [program, ...options] = process.argv.slice(2);
let passed = 0, failed = 0;

// Servers end with the test, however it ends, and it ends.
const children = [];
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
setTimeout(() => { console.log('FAILED: timed out'); process.exit(1); }, 60_000).unref();

function equal(what, ours, theirs) {
  if (isDeepStrictEqual(ours, theirs)) return void passed++;
  failed++;
  console.log(`FAILED ${what}\n   ours   ${inspect(ours)}\n   theirs ${inspect(theirs)}`);
}

async function start(command, args, ready) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let said = '';
  for await (const data of child.stdout) {
    said += data;
    const found = said.match(ready);
    if (found) return { child, port: Number(found[1]) };
  }
  throw new Error(`${command} said ${said}`);
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

// Errors are replies too.
const settle = (promise) => promise.then((v) => v, (e) => `error: ${e.message}`);

async function withIoredis(port) {
  const r = new Redis({ port, host: '127.0.0.1' });
  const got = {};
  await r.flushall();
  got.strings = [await r.set('a', '1'), await r.get('a'), await r.incrby('a', 4), await r.append('a', '0'),
    await r.strlen('a'), await r.mset({ b: '2', c: '3' }), await r.mget('a', 'b', 'c', 'd')];
  got.options = [await r.set('a', '2', 'EX', 100, 'NX'), await r.set('a', '2', 'EX', 100), await r.ttl('a'),
    await r.persist('a'), await r.ttl('a'), await r.set('a', '3', 'GET')];
  got.lists = [await r.rpush('l', 'a', 'b', 'c'), await r.lpop('l'), await r.rpop('l', 5), await r.lpop('l'),
    await r.lrange('l', 0, -1), await r.llen('l')];
  got.sets = [await r.sadd('s', 'x', 'y'), (await r.smembers('s')).sort(), await r.sismember('s', 'x'),
    await r.srem('s', 'x'), await r.scard('s')];
  got.hashes = [await r.hset('h', { f: '1', g: '2' }), await r.hget('h', 'f'), await r.hgetall('h'),
    await r.hdel('h', 'f'), await r.hlen('h')];
  got.keys = [(await r.keys('*')).sort(), await r.exists('a', 'b', 'zz'), await r.type('h'), await r.del('a', 'zz'),
    await r.dbsize()];
  got.errors = [await settle(r.incr('h')), await settle(r.call('NOSUCH', 'x')), await settle(r.call('GET'))];
  got.pipeline = await r.pipeline().set('p', '1').incr('p').lpush('p', 'x').get('p').exec()
    .then((all) => all.map(([e, v]) => (e ? e.message : v)));
  const many = r.pipeline();
  for (let i = 0; i < 2000; ++i) many.set(`k${i}`, i).get(`k${i}`);
  got.many = await many.exec();
  const seen = new Set();
  for await (const keys of r.scanStream({ match: 'k*', count: 50 })) keys.forEach((k) => seen.add(k));
  got.scan = seen.size;
  const listener = new Redis({ port, host: '127.0.0.1' });
  got.messages = [await listener.subscribe('c', 'd'), await listener.psubscribe('e*')];
  const heard = [];
  const all = new Promise((done) => {
    const hear = (...m) => heard.push(m) === 3 && done();
    listener.on('message', hear);
    listener.on('pmessage', hear);
  });
  got.published = [await r.publish('c', '1'), await r.publish('e1', '2'), await r.publish('d', '3'),
    await r.publish('x', '4')];
  await all;
  got.heard = heard;
  got.unsubscribed = [await listener.unsubscribe('c'), await listener.punsubscribe('e*')];
  await listener.quit();
  got.quit = await r.quit();
  return got;
}

async function withNodeRedis(port, RESP) {
  const r = createClient({ socket: { port, host: '127.0.0.1' }, name: 'me', database: 2, RESP });
  await r.connect();
  const got = {};
  await r.flushAll();
  got.name = await r.clientGetName();
  got.all = await Promise.all([r.set('a', '1', { PX: 100000 }), r.get('a'), r.incr('a'), r.setNX?.('a', '1')
    .catch(() => 'no SETNX'), r.hSet('h', { f: '1', g: '2' }), r.hGetAll('h'), r.sAdd('s', ['x', 'y']),
    r.sMembers('s').then((m) => m.sort()), r.rPush('l', ['1', '2', '3']), r.lRange('l', 0, -1), r.lPopCount('l', 2),
    r.exists('a'), r.expire('a', 50), r.persist('a'), r.dbSize(), r.type('s'), r.configGet('maxmemory')]);
  got.all[3] = null;  // SETNX is none of our commands.
  got.errors = [await settle(r.lPush('a', 'x')), await settle(r.sendCommand(['NOSUCH']))];
  const listener = r.duplicate();
  await listener.connect();
  const heard = [];
  let done;
  const all = new Promise((d) => { done = d; });
  await listener.subscribe('c', (m, channel) => heard.push([channel, m]) === 3 && done());
  await listener.pSubscribe('d*', (m, channel) => heard.push([channel, m]) === 3 && done());
  got.published = [await r.publish('c', '1'), await r.publish('d1', '2'), await r.publish('c', '3')];
  await all;
  got.heard = heard;
  await listener.unsubscribe('c');
  await listener.pUnsubscribe('d*');
  await listener.quit();
  got.quit = await r.quit();
  return got;
}

const port = await freePort();
const ours = await start(program, ['--port', '0', ...options], /listening on \S*:(\d+)\n/);
const theirs = await start('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp'],
  /Ready to accept/);
theirs.port = port;
for (const [name, use] of [['ioredis', withIoredis], ['node-redis', withNodeRedis]]) {
  const [mine, real] = [await use(ours.port), await use(theirs.port)];
  for (const part of Object.keys(real)) equal(`${name}: ${part}`, mine[part], real[part]);
}
ours.child.kill('SIGTERM');
theirs.child.kill('SIGTERM');
const [[status]] = await Promise.all([once(ours.child, 'exit'), once(theirs.child, 'exit')]);
equal('exit status', status, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
