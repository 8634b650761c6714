/** The ten steps behind HTTP/2: `node test/bench/functions/http.ts` prints its port as a line. */
import { serve } from '@holdfast/sdk-lambda/node';

process.env['SERVICE'] = 'LiveSteps';
const { services } = await import('./goals.ts');
const steps = services.filter(({ name }) => name === 'LiveSteps');
console.log(JSON.stringify({ port: await serve({ services: steps, port: 0 }) }));
