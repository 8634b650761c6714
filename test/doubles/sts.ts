/**
 * A double of AWS STS that knows one action: `AssumeRole`, over the query protocol, for the real AWS client. It trusts
 * whom it is told to trust, and its credentials say which role and session they are of.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TrustedRole {
  readonly arn: string;
  readonly externalId?: string;
}

export interface StsCall {
  readonly roleArn: string;
  readonly externalId: string | undefined;
  readonly session: string;
  /** Access key that signed the call. */
  readonly caller: string;
  /** The region it was signed for. */
  readonly region: string;
}

export interface StsDouble {
  readonly url: string;
  /** Assumptions asked for, refused ones included. */
  readonly calls: readonly StsCall[];
  /** Of credentials from now on. */
  validMs: number;
  /** Calls are held until it resolves. */
  gate: Promise<void>;
  close(): Promise<void>;
}

export async function startSts(trusted: readonly TrustedRole[]): Promise<StsDouble> {
  const server = createServer();
  const calls: StsCall[] = [];
  const double: StsDouble = {
    url: '',
    calls,
    validMs: 3_600_000,
    gate: Promise.resolve(),
    close: () => closeServer(server),
  };
  server.on('request', async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const [, caller = '', region = ''] =
      /Credential=([^/]+)\/\d+\/([^/]+)\/sts/.exec(request.headers.authorization ?? '') ?? [];
    const roleArn = form.get('RoleArn') ?? '';
    const externalId = form.get('ExternalId') ?? undefined;
    const session = form.get('RoleSessionName') ?? '';
    calls.push({ roleArn, externalId, session, caller, region });
    await double.gate;
    const role = trusted.find(each => each.arn === roleArn);
    const allowed =
      form.get('Action') === 'AssumeRole' && role !== undefined && role.externalId === externalId;
    response.writeHead(allowed ? 200 : 403, { 'content-type': 'text/xml' });
    response.end(allowed ? assumed(calls.length, Date.now() + double.validMs) : denied(roleArn));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(double, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

function assumed(number: number, expiresAtMs: number): string {
  return (
    `<AssumeRoleResponse xmlns="${NAMESPACE}"><AssumeRoleResult><Credentials>` +
    `<AccessKeyId>ASIA${number}</AccessKeyId><SecretAccessKey>secret${number}</SecretAccessKey>` +
    `<SessionToken>token${number}</SessionToken>` +
    `<Expiration>${new Date(expiresAtMs).toISOString()}</Expiration></Credentials></AssumeRoleResult>` +
    '<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>'
  );
}

function denied(roleArn: string): string {
  return (
    `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>AccessDenied</Code>` +
    `<Message>User is not authorized to perform: sts:AssumeRole on resource: ${roleArn}</Message></Error>` +
    '<RequestId>r</RequestId></ErrorResponse>'
  );
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
}
