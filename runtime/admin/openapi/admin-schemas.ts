/** Bodies, answers and query parameters of the admin API, for its OpenAPI document. */
import { flag, type Json, list, map, object, oneOf, schemaRef, text, whole } from './document.ts';

const instant: Json = { type: 'string', format: 'date-time' };
const duration = text('Such as `500ms`, `1h 30m` or `PT1H30M`');
const bytes = list({ type: 'integer', minimum: 0, maximum: 255 });
const ids: Json = { ...list(text()), maxItems: 1000 };
const deployment = text('`keep`, `latest` or the id of a deployment');
const value = object({
  size: whole('In bytes'),
  'utf8?': text('Its beginning, if it is text'),
  'truncated?': flag(),
});

const RETRY_POLICY = {
  'initial_interval?': duration,
  'exponentiation_factor?': { type: 'number', exclusiveMinimum: 0 },
  'max_attempts?': { type: ['integer', 'null'], minimum: 1, description: 'null: without a limit' },
  'max_interval?': duration,
  'on_max_attempts?': oneOf('Pause', 'Kill'),
};

const SETTINGS = {
  'idempotency_retention?': duration,
  'workflow_completion_retention?': duration,
  'journal_retention?': duration,
  'inactivity_timeout?': duration,
  'abort_timeout?': duration,
};

const LAMBDA = {
  'arn?': text('Qualified ARN of a Lambda function'),
  'assume_role_arn?': text('The role that the function is called as'),
  'assume_role_external_id?': text('Goes with the role'),
};

const DEPLOYMENT = {
  id: text(),
  ...LAMBDA,
  'compression?': oneOf('Zstd'),
  'uri?': text('Address of an HTTP endpoint'),
  'protocol_type?': oneOf('RequestResponse', 'BidiStream'),
  'http_version?': oneOf('HTTP/1.1', 'HTTP/2.0'),
  'additional_headers?': map(text()),
  'metadata?': map(text()),
  created_at: instant,
  min_protocol_version: whole(),
  max_protocol_version: whole(),
  'sdk_version?': text(),
};

const ADDRESS = {
  ...LAMBDA,
  'uri?': text('Address of an HTTP endpoint, in place of a function; may have a path'),
  'use_http_11?': flag('Speak HTTP/1.1 to it; otherwise HTTP/2, over http:// with prior knowledge'),
  'additional_headers?': map(text()),
  'dry_run?': flag('Tell what would be, change nothing'),
};

export const SCHEMAS = {
  Error: object({
    message: text(),
    restate_code: { type: ['string', 'null'], description: 'Code of the error, if it has one' },
  }),
  Version: object({
    version: text(),
    min_admin_api_version: whole(),
    max_admin_api_version: whole(),
    ingress_endpoint: text(),
    features: map(flag()),
  }),
  ClusterHealth: object({
    cluster_name: text(),
    metadata_cluster_health: object({ members: list(whole()) }),
  }),
  Document: object({ openapi: text(), info: { type: 'object' } }, 'An OpenAPI 3.1 document'),
  RetryPolicy: object(RETRY_POLICY),
  Handler: object({
    name: text(),
    'ty?': oneOf('Exclusive', 'Shared', 'Workflow'),
    'documentation?': text(),
    'metadata?': map(text()),
    ...SETTINGS,
    'enable_lazy_state?': flag(),
    public: flag(),
    input_description: text(),
    output_description: text(),
    'input_json_schema?': {},
    'output_json_schema?': {},
    retry_policy: schemaRef('RetryPolicy'),
  }),
  Handlers: object({ handlers: list(schemaRef('Handler')) }),
  Service: object({
    name: text(),
    ty: oneOf('Service', 'VirtualObject', 'Workflow'),
    handlers: list(schemaRef('Handler')),
    'documentation?': text(),
    'metadata?': map(text()),
    deployment_id: text(),
    revision: whole(),
    public: flag(),
    ...SETTINGS,
    enable_lazy_state: flag(),
    retry_policy: schemaRef('RetryPolicy'),
    'info?': list(object({ 'code?': text(), message: text() })),
  }),
  Services: object({ services: list(schemaRef('Service')) }),
  ChangeSettings: object({
    'public?': flag('Whether callers reach it through ingress'),
    ...SETTINGS,
    'retry_policy?': schemaRef('RetryPolicy'),
  }),
  Deployment: object({ ...DEPLOYMENT, services: list(schemaRef('Service')) }),
  Deployments: object({
    deployments: list(object({ ...DEPLOYMENT, services: list(object({ name: text(), revision: whole() })) })),
  }),
  Register: object(
    {
      ...ADDRESS,
      'metadata?': map(text()),
      'force?': flag('Discover a known address again and overwrite what it offered'),
      'breaking?': flag('Allow removed handlers and changed types of services'),
    },
    'Has either `arn` or `uri`',
  ),
  Registered: object({
    id: text(),
    services: list(schemaRef('Service')),
    min_protocol_version: whole(),
    max_protocol_version: whole(),
    'sdk_version?': text(),
  }),
  ChangeDeployment: object({
    ...ADDRESS,
    'overwrite?': flag('Discover it again and take what is there'),
  }),
  State: object({ version: text('Names this content'), state: map(bytes) }),
  ChangeState: object({
    object_key: text(),
    new_state: { ...map(bytes), description: 'Replaces the whole state of the key' },
    'version?': text('Change nothing if the state is another one by then'),
    'scope?': text('Of a workflow'),
  }),
  Invocation: object(
    {
      id: text(),
      target: text(),
      target_service_name: text(),
      target_service_ty: oneOf('service', 'virtual_object', 'workflow'),
      'target_service_key?': text(),
      'scope?': text(),
      'limit_key?': text(),
      target_handler_name: text(),
      'target_handler_ty?': oneOf('exclusive', 'shared', 'workflow'),
      invoked_by: oneOf('ingress', 'service', 'restart_as_new'),
      'restarted_from?': text(),
      status: oneOf('pending', 'scheduled', 'running', 'backing-off', 'suspended', 'paused', 'completed'),
      created_at: instant,
      age_ms: whole(),
      attempt: whole(),
      journal_size: whole(),
      'completion_result?': oneOf('success', 'failure'),
    },
    'More fields come with its status',
  ),
  Journal: object({
    id: text(),
    size: whole(),
    entries: list(object({ index: whole(), entry_type: text(), 'name?': text(), 'value?': value })),
    'next?': whole('`from` of the following page'),
  }),
  Restarted: object({ new_invocation_id: text() }),
  Batch: object({ invocation_ids: ids }),
  BatchResume: object({ invocation_ids: ids, 'deployment?': deployment }),
  BatchRestart: object({ invocation_ids: ids, 'deployment?': deployment, 'from?': whole() }),
  BatchResult: object({
    succeeded: list({
      oneOf: [text(), object({ old_invocation_id: text(), new_invocation_id: text() })],
      description: 'Ids; pairs of them for restart-as-new.',
    }),
    failed: list(object({ invocation_id: text(), error: text() })),
  }),
} as const satisfies Readonly<Record<string, Json>>;

export type SchemaName = keyof typeof SCHEMAS;

const yes = { type: 'boolean', default: false };

export const QUERY = {
  force: { schema: yes, description: 'Although it is in use' },
  breaking: { schema: yes, description: 'Although it takes handlers away from callers' },
  mode: { schema: { ...oneOf('cancel', 'kill', 'purge'), default: 'cancel' } },
  deployment: { schema: text(), description: '`keep`, `latest` or the id of a deployment' },
  from: { schema: { type: 'integer', minimum: 0 }, description: 'Index of a journal entry' },
  limit: { schema: { type: 'integer', minimum: 0, maximum: 1000 }, description: 'Number of entries' },
  key: { schema: text(), required: true, description: 'Key of the object or workflow' },
  scope: { schema: text(), description: 'Scope of the workflow' },
} as const satisfies Readonly<Record<string, Json>>;

export type QueryName = keyof typeof QUERY;
