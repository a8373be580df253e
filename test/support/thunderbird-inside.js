// What runs inside Thunderbird: read by thunderbird.ts, and handed over by Marionette. Its globals are Thunderbird's own.
const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');

const mainWindow = () => Services.wm.getMostRecentWindow('mail:3pane');
const tabs = () => mainWindow().document.getElementById('tabmail');
const pause = (ms) => new Promise((resolve) => mainWindow().setTimeout(resolve, ms));

async function until(what, question) {
  for (let tries = 0; tries < 600; tries += 1) {
    const answer = question();
    if (answer) return answer;
    await pause(50);
  }
  throw new Error(`waited in vain for ${what}`);
}

async function importKeys(armoredSecret, pkcs12, password) {
  const { RNP } = ChromeUtils.importESModule('chrome://openpgp/content/modules/RNP.sys.mjs');
  const { EnigmailKeyRing } = ChromeUtils.importESModule('chrome://openpgp/content/modules/keyRing.sys.mjs');
  const { exitCode, errorMsg } = await RNP.importSecKeyBlockImpl(null, () => '', false, armoredSecret, []);
  if (exitCode !== 0) throw new Error(`the OpenPGP key: ${errorMsg}`);
  EnigmailKeyRing.clearCache();
  const file = Cc['@mozilla.org/file/local;1'].createInstance(Ci.nsIFile);
  file.initWithPath(pkcs12);
  const certificates = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB);
  const failed = certificates.importPKCS12File(file, password);
  if (failed !== 0) throw new Error(`the certificate: ${failed}`);
}

/** Selects the folder, and waits until its mbox has been read. */
async function openFolder(name, count) {
  const about = await until(
    'the folder pane',
    () => tabs()?.currentAbout3Pane?.displayFolder && tabs().currentAbout3Pane,
  );
  const folder = await until('the folder', () => {
    const { rootFolder } = MailServices.accounts.localFoldersServer;
    return rootFolder.containsChildNamed(name) && rootFolder.getChildNamed(name);
  });
  about.displayFolder(folder.URI);
  await until('the messages', () => about.gDBView?.rowCount === count);
}

/** Clicks on a message in the list. */
async function select(messageId) {
  const about = tabs().currentAbout3Pane;
  const header = about.gFolder.msgDatabase.getMsgHdrForMessageID(messageId);
  const uri = about.gFolder.getUriForMsg(header);
  about.threadTree.selectedIndex = about.gDBView.findIndexOfMsgHdr(header, true);
  await until('the message', () => {
    const message = tabs().currentAboutMessage;
    return message?.gMessageURI === uri && message.msgLoaded;
  });
}

/** The message that is in front: in the window of a decrypted part, where one is open, or else in the main window. */
function inFront() {
  const other = Services.wm.getMostRecentWindow('mail:messageWindow');
  if (other === null) return tabs().currentAboutMessage;
  return other.document.getElementById('messageBrowser')?.contentWindow;
}

/**
 * Presses the button above a message of which a part is encrypted: Thunderbird shows that part in a window of its own.
 * @returns whether there was a button
 */
async function pressDecrypt() {
  const message = inFront();
  const bar = message.Enigmail.msg.notificationBox;
  const button = bar.getNotificationWithValue('decryptInlinePG')?.buttonContainer.querySelector('button');
  if (!button) return false;
  button.click();
  await until('the window of the decrypted part', () => inFront() !== message && inFront()?.msgLoaded);
  return true;
}

function closeWindow() {
  Services.wm.getMostRecentWindow('mail:messageWindow').close();
}

function read() {
  const message = inFront();
  return {
    subject: message.document.getElementById('expandedsubjectBox').value.textContent,
    // biome-ignore lint/performance/useDomNodeTextContent: what is rendered is what is meant.
    text: message.getMessagePaneBrowser().contentDocument.body.innerText,
    attachments: message.currentAttachments.map(({ name }) => name),
  };
}

globalThis.reader = { importKeys, openFolder, select, pressDecrypt, closeWindow, read };
