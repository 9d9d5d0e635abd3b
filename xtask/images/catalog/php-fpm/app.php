<?php
// What a PHP application does with files: a session, an uploaded file, a temporary file.
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
$uploaded = '-';
if (isset($_FILES['file'])) {
    if ($_FILES['file']['error'] !== UPLOAD_ERR_OK) {
        http_response_code(500);
        exit("upload failed\n");
    }
    $kept = tempnam(sys_get_temp_dir(), 'kept');
    if (!move_uploaded_file($_FILES['file']['tmp_name'], $kept)) {
        http_response_code(500);
        exit("the upload cannot be kept\n");
    }
    $uploaded = hash_file('sha256', $kept);
    unlink($kept);
}
echo "visits {$_SESSION['visits']} uploaded $uploaded\n";
