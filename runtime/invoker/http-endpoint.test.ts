import { expect, test } from 'vitest';
import { createAddressGuard, type HostRule } from '../platform/address-guard.ts';
import { assertAllowed, parseHostRule, parseHttpAddress } from './http-endpoint.ts';

test.each<[string, string, string, string]>([
  ['http://handlers.internal:9080', 'http://handlers.internal:9080', 'handlers.internal', ''],
  ['HTTPS://Handlers.Internal:443/', 'https://handlers.internal', 'handlers.internal', ''],
  ['http://handlers.internal./a/b//', 'http://handlers.internal/a/b', 'handlers.internal', '/a/b'],
  ['http://h/a/../b/./c%20d', 'http://h/b/c%20d', 'h', '/b/c%20d'],
  ['http://[::1]:9080/p/', 'http://[::1]:9080/p', '::1', '/p'],
  ['http://[::FFFF:10.0.0.1]', 'http://[::ffff:a00:1]', '::ffff:a00:1', ''],
  ['http://0x7f.1:80', 'http://127.0.0.1', '127.0.0.1', ''],
  ['http://017700000001', 'http://127.0.0.1', '127.0.0.1', ''],
  ['http://2130706433', 'http://127.0.0.1', '127.0.0.1', ''],
  ['http://bücher.example', 'http://xn--bcher-kva.example', 'xn--bcher-kva.example', ''],
  ['http://ⓛocalhost', 'http://localhost', 'localhost', ''],
])('%s', (text, uri, host, prefix) => {
  const address = parseHttpAddress(text);
  expect(address).toMatchObject({ uri, host, prefix, secure: uri.startsWith('https') });
  expect(address.uri).toBe(address.origin + prefix);
  expect(parseHttpAddress(address.uri)).toEqual(address);
});

test.each<[string, RegExp]>([
  ['ftp://h/', /does not start with http/],
  ['file:///etc/passwd', /does not start with http/],
  ['gopher://h', /does not start with http/],
  ['http:h', /does not start with http/],
  ['//h', /does not start with http/],
  ['unix:/var/run/docker.sock', /does not start with http/],
  ['http://user:secret@h/', /user name or password/],
  ['http://@h/', /user name or password/],
  ['http://handlers.internal@evil.example', /user name or password/],
  ['http://h/?a=b', /query/],
  ['http://h/?', /query/],
  ['http://h/#x', /fragment/],
  ['http://h\\@evil.example', /backslashes/],
  ['http://h/a b', /spaces/],
  ['http://h\n.example', /control characters/],
  [' http://h', /does not start with http/],
  ['http://', /not a valid URL/],
  ['http://h:0', /port is 0/],
  ['http://h:65536', /not a valid URL/],
  ['http://256.1.1.1', /not a valid URL/],
  ['http://[fe80::1%25eth0]', /not a valid URL/],
  ['http://h..', /host is malformed/],
  ['http://.', /host is malformed/],
  [`http://h/${'a'.repeat(3000)}`, /longer than/],
])('refused: %s', (text, reason) => {
  expect(() => parseHttpAddress(text)).toThrow(
    expect.objectContaining({ code: 'HF_ENDPOINT_URI', message: expect.stringMatching(reason) }),
  );
});

test('a password is not repeated in a message', () => {
  expect(() => parseHttpAddress('http://user:secret@h/')).toThrow(expect.not.stringContaining('secret'));
  expect(() => parseHttpAddress('ftp://user:secret@h/')).toThrow(expect.not.stringContaining('secret'));
});

test.each<[string, readonly string[], readonly string[]]>([
  [
    'handlers.internal',
    ['http://handlers.internal:1', 'https://HANDLERS.internal./'],
    ['http://x.handlers.internal'],
  ],
  [
    '*.Example.com',
    ['http://a.example.com', 'http://a.b.example.com'],
    ['http://example.com', 'http://aexample.com'],
  ],
  ['10.0.0.7', ['http://10.0.0.7:9080', 'http://0x0a000007'], ['http://10.0.0.8', 'http://localhost']],
  ['10.0.0.0/8', ['http://10.255.0.1'], ['http://11.0.0.1', 'http://handlers.internal']],
  ['[fd12::7]', ['http://[fd12::7]:1'], ['http://[fd12::8]']],
  ['fd12::/16', ['http://[fd12:1::7]:1'], ['http://[fd13::8]', 'http://10.0.0.1']],
  [
    'localhost',
    ['http://localhost:1', 'http://127.0.0.1', 'http://[::1]'],
    ['http://localhost.example', 'http://10.0.0.1'],
  ],
  ['127.0.0.2', ['http://127.0.0.2'], ['http://127.0.0.1', 'http://localhost']],
  ['127.0.0.0/8', ['http://127.0.0.1'], ['http://localhost', 'http://[::1]']],
  [
    '0.0.0.0/0',
    ['http://8.8.8.8'],
    ['http://127.0.0.1', 'http://169.254.169.254', 'http://handlers.internal'],
  ],
  ['bücher.example', ['http://bücher.example', 'http://xn--bcher-kva.example'], ['http://bucher.example']],
])('the entry %s', (entry, allowed, refused) => {
  const guard = createAddressGuard([ruleOf(entry)]);
  for (const uri of allowed) assertAllowed(parseHttpAddress(uri), guard);
  for (const uri of refused) {
    expect(() => assertAllowed(parseHttpAddress(uri), guard)).toThrow(
      expect.objectContaining({ code: 'HF_ENDPOINT_NOT_ALLOWED' }),
    );
  }
});

function ruleOf(entry: string): HostRule {
  const rule = parseHostRule(entry);
  if (rule === undefined) throw new Error(`'${entry}' was not accepted`);
  return rule;
}

test.each([
  '',
  '*',
  '*.',
  '*.*.example',
  'a.*.example',
  '*.localhost',
  'http://h',
  'h:80',
  'h/path',
  'user@h',
  'a b',
  '10.0.0.1/8',
  '10.0.0.0/40',
  '0x7f.1',
  '*.1.2.3.4',
  '2130706433',
  '[10.0.0.1',
])('not an entry: %s', entry => expect(parseHostRule(entry)).toBeUndefined());
