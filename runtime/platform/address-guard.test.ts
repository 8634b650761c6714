import type { LookupAddress, LookupOptions } from 'node:dns';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { createAddressGuard, type HostRule, parseAddress, parseRange } from './address-guard.ts';

const RULES: HostRule[] = [
  { kind: 'name', name: 'handlers.internal' },
  { kind: 'suffix', suffix: '.svc.local' },
  { kind: 'local' },
  { kind: 'range', range: range('10.0.0.0/8') },
  { kind: 'range', range: range('fd12::/16') },
  // As wide as can be: what is never called stays closed.
  { kind: 'range', range: range('0.0.0.0/0') },
  { kind: 'range', range: range('::/0') },
];

function range(text: string) {
  const parsed = parseRange(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** As the registration sees it: through the URL parser, which knows every odd spelling. */
function hostOf(literal: string): string {
  return new URL(`http://${literal}/`).hostname.replace(/^\[(.*)\]$/, '$1');
}

const NEVER = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.0.1',
  '0.0.0.0',
  '0.1.2.3',
  '224.0.0.1',
  '239.255.255.250',
  '255.255.255.255',
  '240.0.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '[::]',
  '[fe80::1]',
  '[febf::1]',
  '[ff02::1]',
  '[fd00:ec2::254]',
  '[fd00:ec2::23]',
  '[FD00:0EC2:0:0:0:0:0:254]',
  // Mapped, compatible, translated, tunnelled.
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[0:0:0:0:0:ffff:169.254.170.2]',
  '[::169.254.169.254]',
  '[::ffff:0:169.254.169.254]',
  '[64:ff9b::169.254.169.254]',
  '[64:ff9b::a9fe:a9fe]',
  '[64:ff9b:1::a9fe:a9fe]',
  '[2002:a9fe:a9fe::1]',
  '[2002:a9fe:a9fe::]',
  '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
  '[2001:db8::5efe:169.254.169.254]',
  '[2001:db8::200:5efe:a9fe:a9fe]',
  '[::ffff:0.0.0.0]',
  '[::ffff:255.255.255.255]',
  // Spellings of IPv4.
  '0xa9fea9fe',
  '0xa9.0xfe.0xa9.0xfe',
  '2852039166',
  '0251.0376.0251.0376',
  '169.254.43518',
  '169.16689662',
  '169.254.169.254.',
  '０xa9fea9fe',
  '0',
  '0x0',
];

test.each(NEVER)('never called, whatever the rules say: %s', literal => {
  const host = hostOf(literal).replace(/\.$/, '');
  const guard = createAddressGuard(RULES);
  expect(guard.refuseHost(host)).toMatch(/never called/);
  expect(createAddressGuard([]).refuseHost(host)).toMatch(/never called/);
  expect(guard.refuseAddress('handlers.internal', host)).toMatch(/never called/);
});

test.each([
  '127.0.0.1',
  '127.1',
  '0x7f.1',
  '017700000001',
  '2130706433',
  '[::1]',
  '[::ffff:127.0.0.1]',
  'localhost',
])('this machine: %s, by its rule only', literal => {
  const host = hostOf(literal);
  expect(createAddressGuard(RULES).refuseHost(host)).toBeUndefined();
  const without = createAddressGuard(RULES.filter(rule => rule.kind !== 'local'));
  expect(without.refuseHost(host)).toContain("add 'localhost' to the setting httpEndpoints");
  const name = 'handlers.internal';
  if (host !== 'localhost') expect(without.refuseAddress(name, host)).toContain('an address of this machine');
});

test.each<[string, boolean]>([
  ['handlers.internal', true],
  ['a.svc.local', true],
  ['a.b.svc.local', true],
  ['svc.local', false],
  ['xsvc.local', false],
  ['a.svc.local.evil.example', false],
  ['handlers.internal.evil.example', false],
  ['evil-handlers.internal', false],
  ['10.1.2.3', true],
  ['11.1.2.3', false],
  ['fd12:3::4', true],
  ['fd13::4', false],
  ['::ffff:10.1.2.3', false],
  ['metadata.google.internal', false],
  ['', false],
])('on the list: %s is %s', (host, allowed) => {
  const guard = createAddressGuard(RULES.slice(0, 5));
  expect(guard.refuseHost(host) === undefined).toBe(allowed);
  expect(createAddressGuard([]).refuseHost(host)).toContain(`add '${host}'`);
});

test('a name may resolve to private addresses, `localhost` to this machine only', () => {
  const guard = createAddressGuard(RULES);
  for (const address of ['10.0.0.1', '192.168.1.1', '172.16.0.1', '8.8.8.8', 'fd12::1', '2600::1']) {
    expect(guard.refuseAddress('handlers.internal', address)).toBeUndefined();
    expect(guard.refuseAddress('localhost', address)).toContain('not an address of this machine');
  }
  expect(guard.refuseAddress('localhost', '127.0.0.1')).toBeUndefined();
  expect(guard.refuseAddress('handlers.internal', 'fe80::1%eth0')).toContain('no address that can be judged');
});

/** A name server that answers with what is next. */
function resolver(answers: string[][]) {
  return ((_: string, __: LookupOptions, done: (error: Error | null, found: LookupAddress[]) => void) => {
    const found = (answers.shift() ?? []).map(address => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    setImmediate(() => done(null, found));
  }) as unknown as typeof import('node:dns').lookup;
}

test('the lookup of the connection leaves out what is refused, each time anew', async () => {
  const guard = createAddressGuard(
    RULES,
    resolver([
      ['fe80::1', '10.0.0.1', '127.0.0.1', '10.0.0.2'],
      ['10.0.0.1', '169.254.169.254'],
      ['169.254.169.254', '::1'],
    ]),
  );
  const look = (options: LookupOptions) =>
    new Promise(resolve =>
      guard.lookup('handlers.internal', options, (error, address) => resolve(error?.message ?? address)),
    );
  expect(await look({ all: true })).toEqual([
    { address: '10.0.0.1', family: 4 },
    { address: '10.0.0.2', family: 4 },
  ]);
  expect(await look({})).toBe('10.0.0.1');
  expect(await look({ all: true })).toMatch(
    /169\.254\.169\.254, link-local.*::1, an address of this machine/,
  );
});

test.each([true, false])(
  'a socket whose name is bound anew is not connected (happy eyeballs %s)',
  async autoSelectFamily => {
    const { lookup } = createAddressGuard(RULES, resolver([['127.0.0.1']]));
    const socket = connect({ host: 'handlers.internal', port: 9, lookup, autoSelectFamily });
    const error = await new Promise<NodeJS.ErrnoException>(resolve => socket.once('error', resolve));
    expect(error).toMatchObject({ code: 'HF_ENDPOINT_NOT_ALLOWED' });
  },
);

test.each<[string, string | undefined]>([
  ['1.2.3.4', '01020304'],
  ['::', '0'.repeat(32)],
  ['::1.2.3.4', `${'0'.repeat(24)}01020304`],
  ['1::8', `0001${'0'.repeat(24)}0008`],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ['::ffff:abcd', `${'0'.repeat(24)}ffffabcd`],
  ['1.2.3', undefined],
  ['01.2.3.4', undefined],
  ['0x7f.0.0.1', undefined],
  ['1::2::3', undefined],
  ['fe80::1%lo', undefined],
  ['name', undefined],
])('the bytes of %s', (text, hex) => {
  const bytes = parseAddress(text);
  expect(bytes && Buffer.from(bytes).toString('hex')).toBe(hex);
});

test.each(['10.1.2.3/8', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', '/8', 'a/8'])(
  'no range: %s',
  text => expect(parseRange(text)).toBeUndefined(),
);
