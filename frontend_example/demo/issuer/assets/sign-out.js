// The request carried proof of who is signed in, so there is nothing to ask.
document.querySelector('button[name="logout"]').click();
