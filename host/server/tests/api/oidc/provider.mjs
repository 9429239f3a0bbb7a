// A real identity provider for the tests: `oidc-provider` under a clock that they set, with the least of pages. It logs in whoever
// says who they are.
import http from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [folder, start, back] = process.argv.slice(2);
let now = Number(start);
Date.now = () => now;
// Nobody listens to what it notes.
console.info = () => {};

const module = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`));
let made = 0;
function key() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${(made += 1)}`, use: 'sig', alg: 'RS256' };
}

function open(issuer) {
  return new module.Provider(issuer, {
    clients: [
      { client_id: 'interlock', client_secret: 'between us & them', redirect_uris: [back] },
      { client_id: 'other', client_secret: 'of others', redirect_uris: [back] },
    ],
    jwks: { keys: [key()] },
    cookies: { keys: ['of a test'] },
    features: { devInteractions: { enabled: false } },
    acrValues: ['pwd', 'mfa'],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    async loadExistingGrant({ oidc }) {
      const { clientId } = oidc.client;
      const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
}

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

let provider;
let issuer;
const server = http.createServer(async (request, response) => {
  if (request.url === '/control') {
    const asked = await body(request);
    if (asked.has('now')) now = Number(asked.get('now'));
    if (asked.has('rotate')) provider = open(issuer);
    response.end();
  } else if (request.url.startsWith('/interaction/')) {
    if (request.method !== 'POST') return response.end('who are you?');
    const asked = await body(request);
    const login = { accountId: asked.get('login'), acr: asked.get('acr') || undefined, amr: ['pwd'] };
    await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  } else {
    provider.callback()(request, response);
  }
});
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  provider = open(issuer);
  console.log(`issuer ${issuer}`);
});
