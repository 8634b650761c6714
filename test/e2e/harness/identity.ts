/** The keys of request identity in tests: the public test key of RFC 8032, section 7.1, test 1. */
import { writeFileSync } from 'node:fs';

/** DER of a PKCS#8 Ed25519 private key, up to the key itself. */
const PKCS8_PREFIX = '302e020100300506032b657004220420';
const SECRET = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';

/** As an SDK is given it. */
export const IDENTITY_PUBLIC_KEY = 'publickeyv1_FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z';
/** Of the section's test 2, who signs nothing here. */
export const FOREIGN_PUBLIC_KEY = 'publickeyv1_586Z7H2vpX9qNhN2T4e9Utugie3ogjbxzGaMtM3E6HR5';

/** The private key as a file in PEM; its path. */
export function writeIdentityKey(path: string): string {
  const der = Buffer.from(PKCS8_PREFIX + SECRET, 'hex').toString('base64');
  writeFileSync(path, `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
  return path;
}
